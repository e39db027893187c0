// The smallest tiles of the backward kernels on subgroup matrices: of float16 and of split float32, so small that a
// CPU compiles their text. Without a test runner, as random problems ask for them too.
import type { DType } from '@attn/core'
import type { FlashAttention, GradientMatrixTile, SplitMatrixTile } from '../src/index.ts'

/** Of either kind. */
export type MatrixTile = GradientMatrixTile | SplitMatrixTile

/** One of the two kinds of kernels. */
export interface MatrixKind<Own extends MatrixTile = MatrixTile> {
  readonly name: string
  readonly dtype: DType
  /** A tile of the smallest matrices that an adapter has; undefined where it has none. */
  readonly smallTile: (capabilities: FlashAttention['capabilities']) => Own | undefined
  /** The same with what tiles may differ in. */
  otherTile(tile: Own): Own
  /** The same for rows that meet few tokens; undefined where kernels have no such tiles. */
  fewTokens?(tile: Own): Own
  /** Heads are so many matrices wide. */
  readonly matricesPerHead: number
  /** What values are multiplied by, so that float16 holds dS by its scale alone. */
  readonly factors: readonly number[]
}

/** The smallest matrices of float16 with float32 sums, and the lanes that share their rows. */
function smallMatrix({ subgroupMatrices, subgroups }: FlashAttention['capabilities']) {
  const [matrix] = subgroupMatrices
    .filter(({ operands, sums }) => operands === 'f16' && sums === 'f32')
    .toSorted((a, b) => a.rows * a.columns * a.depth - b.rows * b.columns * b.depth)
  if (!matrix || !subgroups || subgroups.minimum !== subgroups.maximum) return undefined
  const { rows, columns, depth } = matrix
  return { matrix: { rows, columns, depth }, subgroupSize: subgroups.maximum }
}

const float16: MatrixKind<GradientMatrixTile> = {
  name: 'float16',
  dtype: 'float16',
  smallTile: (capabilities) => {
    const small = smallMatrix(capabilities)
    if (!small) return undefined
    const { rows, columns, depth } = small.matrix
    const lanesPerRow = Math.max(1, small.subgroupSize / rows)
    return {
      ...small,
      subgroups: 2,
      rowBlocks: 1,
      rows: 2 * rows,
      columns: Math.max(columns, depth, 4 * lanesPerRow),
      lanesPerRow,
      rowsPerLane: (rows * lanesPerRow) / small.subgroupSize,
      unrolled: false,
      scorePadding: 2,
    }
  },
  // With more subgroups than places of visited rows.
  otherTile: (tile) => ({
    ...tile,
    subgroups: 8,
    rows: (8 * tile.rows) / tile.subgroups,
    unrolled: true,
    scorePadding: 0,
  }),
  // With steps of a gradient that are wider than its matrices.
  fewTokens: (tile) => ({ ...tile, columns: 2 * tile.columns, fewTokens: true }),
  matricesPerHead: 1,
  factors: [2 ** 9, 2 ** -7],
}

const split: MatrixKind<SplitMatrixTile> = {
  name: 'float32 as halves',
  dtype: 'float32',
  smallTile: (capabilities) => {
    const small = smallMatrix(capabilities)
    if (!small) return undefined
    const { rows, columns, depth } = small.matrix
    return {
      ...small,
      pairs: 2,
      rowBlocks: 1,
      rows: 2 * rows,
      columns: Math.max(columns, depth, 4 * Math.max(1, (2 * small.subgroupSize) / rows)),
      places: 2,
      loadsTwice: false,
      wideLoads: false,
      tilesInMatrices: 2,
      scorePadding: 2,
    }
  },
  otherTile: (tile) => ({ ...tile, places: 1, loadsTwice: true, wideLoads: true }),
  matricesPerHead: 2,
  factors: [2 ** 30, 2 ** -30],
}

/** Both. */
export const matrixKinds: readonly MatrixKind[] = [float16, split]
/** That of split float32. */
export const splitKind: MatrixKind = split
