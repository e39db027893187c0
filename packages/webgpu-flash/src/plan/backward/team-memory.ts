// Workgroup memory of the backward kernels whose threads form two teams; see
// kernels/tile/team-products.ts. Operands of the products and, later, weights with the rows they are
// summed over take turns in it.
import { transposedStride } from '../../kernels/tile/source.ts'
import type { BackwardTile, GradientRows } from './backward-tile.ts'
import { roundUp } from '../forward/tiles.ts'

/** Where everything lies, in vectors of 4 float32. */
export interface TeamMemory {
  /** Chunks of dims, and vectors of a tensor's rows and columns in a buffer of one chunk. */
  readonly dimChunks: number
  readonly rows: number
  readonly columns: number
  readonly operandBuffer: number
  /** Chunks of tokens in a part, vectors of a tensor in one, and of all that is read in one. */
  readonly sumChunks: number
  readonly source: number
  readonly sourceBuffer: number
  /** Vectors between tokens of a source. */
  readonly stride: number
  /** Where weights begin, vectors of one kind of them, and between their columns. */
  readonly weights: number
  readonly weightSize: number
  readonly weightStride: number
  /** Where log-sum-exp and D of the queries lie. */
  readonly softmax: number
  readonly vectors: number
  readonly note: string
}

/** Lays a tile out. The kernel of dQ keeps one kind of weights and source, that of dK and dV two. */
export function teamMemory(
  tile: BackwardTile,
  headDim: number,
  valueDim: number,
  gradients: GradientRows,
): TeamMemory {
  const width = Math.max(headDim, valueDim)
  const dimChunks = Math.ceil(width / tile.dimChunk)
  const rows = tile.dimChunk * transposedStride(tile.rows)
  const columns = tile.dimChunk * transposedStride(tile.columns)
  const operandBuffer = 2 * (rows + columns)
  const operands = operandBuffer * Math.min(dimChunks, 2)

  const kinds = gradients === 'key' ? 2 : 1
  const partColumns = tile.columns / (tile.parts ?? 1)
  const sumChunks = partColumns / tile.sourceChunk
  const stride = roundUp(Math.ceil(width / 4), tile.threadColumns)
  const source = tile.sourceChunk * stride
  const sourceBuffer = kinds * source
  const weights = sourceBuffer * Math.min(sumChunks, 2)
  const weightStride = tile.rows / 4 + 1
  const weightSize = partColumns * weightStride
  const handover = kinds === 1 ? tile.threadRows * stride : 0
  const shared = Math.max(operands, weights + kinds * weightSize, handover)
  const queries = gradients === 'key' ? tile.columns : tile.rows
  return {
    dimChunks,
    rows,
    columns,
    operandBuffer,
    sumChunks,
    source,
    sourceBuffer,
    stride,
    weights,
    weightSize,
    weightStride,
    softmax: shared,
    vectors: shared + queries,
    note: `16 bytes times: chunks of the products ${operands}, or of the sums ${weights} and their weights ${kinds * weightSize}; log-sum-exp and D ${queries}`,
  }
}
