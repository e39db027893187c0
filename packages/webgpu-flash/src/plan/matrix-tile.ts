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
  /** Subgroups of a workgroup, each with `matrix.rows` query rows. */
  readonly subgroups: number
  readonly queries: number
  readonly keys: number
  /** Lanes that share a row in the softmax. */
  readonly lanesPerRow: number
}

/** Workgroup memory, in vectors of four elements; strides keep rows 16-byte aligned. */
export interface MatrixMemory {
  /** float16 */
  readonly operands: number
  readonly operandStride: number
  /** float32 */
  readonly scores: number
  readonly scoreStride: number
  /** float16 */
  readonly probabilities: number
  readonly probabilityStride: number
  readonly bytes: number
}

/** What workgroup memory a tile takes. */
export function matrixMemory(tile: MatrixTile, headDim: number, valueDim: number): MatrixMemory {
  // 16 bytes beyond a multiple of 128, so that neighbouring rows lie in different banks.
  const operandStride = Math.max(headDim, valueDim) / 4 + 2
  const operands = Math.max(tile.queries, 2 * tile.keys) * operandStride
  const scoreStride = tile.keys / 4 + 1
  const scores = tile.queries * scoreStride
  const probabilityStride = tile.keys / 4 + 2
  const probabilities = tile.queries * probabilityStride
  const bytes = 8 * operands + 16 * scores + 8 * probabilities + 4 * tile.subgroups
  return {
    operands,
    operandStride,
    scores,
    scoreStride,
    probabilities,
    probabilityStride,
    bytes: roundUp(bytes, 16),
  }
}

const subgroups = 4
const keys = 32
/** Wider outputs took more registers than an H200 had to spare: the tiled kernel was faster. */
const widest = 64

/**
 * The tile for these dims, or undefined where the device has no matrices for them: float16 operands
 * with float32 sums, one subgroup size, dims that are multiples of the matrices.
 */
export function chooseMatrixTile(
  headDim: number,
  valueDim: number,
  { subgroups: sizes, subgroupMatrices, limits, shaderFloat16 }: Capabilities,
): MatrixTile | undefined {
  if (!shaderFloat16 || !sizes || sizes.minimum !== sizes.maximum) return undefined
  const subgroupSize = sizes.maximum
  const fits = subgroupMatrices.filter(
    ({ operands, sums, rows, columns, depth }) =>
      operands === 'f16' &&
      sums === 'f32' &&
      headDim % depth === 0 &&
      valueDim % columns === 0 &&
      keys % columns === 0 &&
      keys % depth === 0 &&
      subgroupSize % rows === 0 &&
      keys % ((4 * subgroupSize) / rows) === 0,
  )
  // The largest product is the fewest instructions.
  const size = (shape: MatrixShape): number => shape.rows * shape.columns * shape.depth
  const matrix = fits.toSorted((a, b) => size(b) - size(a))[0]
  if (!matrix || headDim > widest || valueDim > widest) return undefined
  const { rows, columns, depth } = matrix
  const tile: MatrixTile = {
    matrix: { rows, columns, depth },
    subgroupSize,
    subgroups,
    queries: subgroups * rows,
    keys,
    lanesPerRow: subgroupSize / rows,
  }
  const possible =
    matrixMemory(tile, headDim, valueDim).bytes <= limits.maxComputeWorkgroupStorageSize &&
    subgroups * subgroupSize <= limits.maxComputeInvocationsPerWorkgroup
  return possible ? tile : undefined
}
