// Tiles of the subgroup-matrix kernel: which of the adapter's matrices to multiply with, and the
// workgroup memory it takes. Nothing is assumed of an adapter that it does not say.
import type { Capabilities } from '../device/capabilities.ts'
import { roundUp } from './tiles.ts'

/** The matrices of one product: `[rows, depth]` times `[depth, columns]`. */
export interface MatrixShape {
  readonly rows: number
  readonly columns: number
  readonly depth: number
}

/** How the work is cut for subgroup matrices. */
export interface MatrixTile {
  readonly matrix: MatrixShape
  readonly subgroupSize: number
  /** Subgroups of a workgroup; a power of two. */
  readonly subgroups: number
  /** Blocks of `matrix.rows` query rows that a subgroup has. */
  readonly rowBlocks: number
  readonly queries: number
  readonly keys: number
  /** Lanes that share a row in the softmax. */
  readonly lanesPerRow: number
}

/**
 * Workgroup memory, in vectors of four elements: float16, but for the scores. Rows and arrays are
 * multiples of 16 bytes, at which matrices have to begin: drivers lay arrays out back to back.
 */
export interface MatrixMemory {
  readonly keyRows: number
  readonly keyStride: number
  readonly valueRows: number
  readonly valueStride: number
  /** Of one subgroup, float32. */
  readonly scores: number
  readonly scoreStride: number
  /** Of one subgroup. */
  readonly probabilities: number
  readonly probabilityStride: number
  /** Words, of which each subgroup has one. */
  readonly outgrown: number
  readonly bytes: number
}

/** What workgroup memory a tile takes. */
export function matrixMemory(tile: MatrixTile, headDim: number, valueDim: number): MatrixMemory {
  const { keys, subgroups, rowBlocks, matrix } = tile
  const rows = rowBlocks * matrix.rows
  // 16 bytes beyond a multiple of 128, so that neighbouring rows lie in different banks.
  const [keyStride, valueStride] = [headDim / 4 + 2, valueDim / 4 + 2]
  const [keyRows, valueRows] = [keys * keyStride, keys * valueStride]
  const scoreStride = keys / 4 + 1
  const scores = rows * scoreStride
  const probabilityStride = keys / 4 + 2
  const probabilities = rows * probabilityStride
  const outgrown = roundUp(subgroups, 4)
  return {
    keyRows,
    keyStride,
    valueRows,
    valueStride,
    scores,
    scoreStride,
    probabilities,
    probabilityStride,
    outgrown,
    bytes: 8 * (keyRows + valueRows) + subgroups * (16 * scores + 8 * probabilities) + 4 * outgrown,
  }
}

/** A subgroup has about so many rows: more took more registers than they saved loads. */
const ownRows = 16

/** Subgroups and keys of candidates, the fastest measured (on an NVIDIA H200) first. */
const narrow = [
  { subgroups: 8, keys: 16 },
  { subgroups: 4, keys: 16 },
] as const
/** For dims above 64. */
const middle = [
  { subgroups: 8, keys: 32 },
  { subgroups: 8, keys: 16 },
  { subgroups: 4, keys: 16 },
] as const
/** Wider outputs take more registers than a subgroup has. */
const widest = 128

/**
 * The tile for these sizes, or undefined where the device has no matrices for them: float16 operands
 * with float32 sums, one subgroup size, dims that are multiples of the matrices.
 */
export function chooseMatrixTile(
  queryLength: number,
  headDim: number,
  valueDim: number,
  { subgroups: sizes, subgroupMatrices, limits, shaderFloat16 }: Capabilities,
): MatrixTile | undefined {
  if (!shaderFloat16 || !sizes || sizes.minimum !== sizes.maximum) return undefined
  const width = Math.max(headDim, valueDim)
  if (width > widest) return undefined
  const subgroupSize = sizes.maximum
  const suitable = subgroupMatrices.filter(
    ({ operands, sums, columns, depth }) =>
      operands === 'f16' && sums === 'f32' && headDim % depth === 0 && valueDim % columns === 0,
  )
  // The largest product is the fewest instructions.
  const size = (shape: MatrixShape): number => shape.rows * shape.columns * shape.depth
  const tiles = suitable
    .toSorted((a, b) => size(b) - size(a))
    .flatMap(({ rows, columns, depth }) =>
      (width > 64 ? middle : narrow).flatMap(({ subgroups, keys }): MatrixTile[] => {
        const rowBlocks = Math.max(1, ownRows / rows)
        const lanesPerRow = subgroupSize / (rowBlocks * rows)
        const whole =
          Number.isInteger(rowBlocks) &&
          Number.isInteger(lanesPerRow) &&
          keys % columns === 0 &&
          keys % depth === 0 &&
          keys % (4 * lanesPerRow) === 0
        if (!whole) return []
        const queries = subgroups * rowBlocks * rows
        const matrix = { rows, columns, depth }
        return [{ matrix, subgroupSize, subgroups, rowBlocks, queries, keys, lanesPerRow }]
      }),
    )
    .filter(
      (tile) =>
        matrixMemory(tile, headDim, valueDim).bytes <= limits.maxComputeWorkgroupStorageSize &&
        tile.subgroups * subgroupSize <= limits.maxComputeInvocationsPerWorkgroup,
    )
  // Half a tile of rows that do not exist would be work for nothing.
  return tiles.find(({ queries }) => queries < 2 * queryLength) ?? tiles.at(-1)
}
