// Gradients by the backward kernels on subgroup matrices, of float16 and of split float32, on tiles so small
// that a CPU compiles their text.
import { toFloat64Array } from '@attn/core'
import type { DType } from '@attn/core'
import { expect } from 'vitest'
import type { AttendBackward } from '../../core/test/conformance/index.ts'
import type {
  BackwardTiles,
  FlashAttention,
  GradientMatrixTile,
  PlanOptions,
  SplitMatrixTile,
} from '../src/index.ts'
import { planSizes } from './plan-sizes.ts'

type Tile = GradientMatrixTile | SplitMatrixTile

/** One of the two kinds of kernels. */
export interface MatrixKind<Own extends Tile = Tile> {
  readonly name: string
  readonly dtype: DType
  /** A tile of the smallest matrices that an adapter has; undefined where it has none. */
  readonly smallTile: (capabilities: FlashAttention['capabilities']) => Own | undefined
  /** Of the tile, for what tiles may differ in. */
  readonly otherTile: Partial<Own>
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
  otherTile: { unrolled: true, scorePadding: 1 },
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
      smallFirst: true,
      wideLoads: false,
      tilesInMatrices: 2,
      scorePadding: 2,
    }
  },
  otherTile: { places: 1, smallFirst: false, wideLoads: true },
  matricesPerHead: 2,
  factors: [2 ** 30, 2 ** -30],
}

/** Both. */
export const matrixKinds: readonly MatrixKind[] = [float16, split]
/** That of split float32. */
export const splitKind: MatrixKind = split

/** Heads of a kind, for a tile. */
export function headDimOf({ matricesPerHead }: MatrixKind, { matrix }: Tile): number {
  return matricesPerHead * Math.max(matrix.columns, matrix.depth)
}

/** Gradients by a plan with these tiles. */
export function gradientsWith(
  flash: FlashAttention,
  backwardTiles: BackwardTiles,
  change: Partial<PlanOptions> = {},
): AttendBackward {
  return async (query, key, value, dOutput, options) => {
    const plan = flash.plan({
      ...planSizes(query, key),
      dtype: query.dtype as PlanOptions['dtype'],
      ...options,
      ...change,
      training: true,
      backwardTiles,
    })
    const explained = plan.explain().backward!
    for (const kernel of Object.keys(backwardTiles) as ('query' | 'key')[]) {
      expect(explained[kernel].variant).toBe('subgroup-matrix')
    }
    const inputs = {
      query: flash.upload(query),
      key: flash.upload(key),
      value: flash.upload(value),
    }
    const forward = plan.forward(inputs)
    const gradients = plan.backward({ ...inputs, ...forward, dOutput: flash.upload(dOutput) })
    const { dQuery, dKey, dValue, dTables, dSinks } = gradients
    const numbers = async (view: Parameters<FlashAttention['download']>[0]) =>
      toFloat64Array(await flash.download(view))
    return {
      dQuery: await flash.download(dQuery),
      dKey: await flash.download(dKey),
      dValue: await flash.download(dValue),
      dTables: new Map(
        await Promise.all(
          [...dTables].map(async ([table, view]) => [table, await numbers(view)] as const),
        ),
      ),
      dSinks: dSinks && (await numbers(dSinks)),
    }
  }
}
