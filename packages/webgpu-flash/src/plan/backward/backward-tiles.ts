// How the backward kernels' tiles fit a device. Both kernels have one shape: a workgroup owns rows of
// the gradient it sums (queries for dQ, keys for dK and dV) and visits columns of the other tokens,
// making two score products and one or two weighted sums with each.
import { rangeError } from '@attn/core'
import type { AttentionShape } from '@attn/core'
import { transposedStride } from '../../kernels/tile/source.ts'
import { tileThreads } from './backward-tile.ts'
import type { BackwardTile, GradientRows } from './backward-tile.ts'
import { teamMemory } from './team-memory.ts'
import { rankTiles } from '../tile-cost.ts'
import type { TileWork } from '../tile-cost.ts'
import { roundUp } from '../forward/tiles.ts'
import type { WorkgroupLimits } from '../forward/tiles.ts'

/** Where everything lies in workgroup memory, in vectors of 4 float32. */
export interface BackwardMemory {
  readonly rows: number
  readonly columns: number
  readonly source: number
  readonly weights: number
  /** Vectors between columns of the weights: one more than the rows, against bank conflicts. */
  readonly weightStride: number
  /** Vectors between tokens of Q or K, and of V or dO: dims rounded up to whole thread columns. */
  readonly headStride: number
  readonly valueStride: number
  /** One vector: whether the workgroup has to compute with care; see kernels/careful.ts. */
  readonly care: number
  readonly vectors: number
  /** The sum in words, for the comment in the shader. */
  readonly note: string
}

/** Lays a tile out in workgroup memory: products and sums take turns, weights stay between them. */
export function backwardMemory(
  tile: BackwardTile,
  headDim: number,
  valueDim: number,
  gradients: GradientRows = 'key',
): BackwardMemory {
  const rows = tile.dimChunk * transposedStride(tile.rows)
  const columns = tile.dimChunk * transposedStride(tile.columns)
  const headStride = roundUp(Math.ceil(headDim / 4), tile.threadColumns)
  const valueStride = roundUp(Math.ceil(valueDim / 4), tile.threadColumns)
  const source = tile.sourceChunk * Math.max(headStride, valueStride)
  const weightStride = tile.rows / 4 + 1
  const weights = tile.columns * weightStride
  const shared = Math.max(rows + columns, source)
  const teams = tile.teams === 2 ? teamMemory(tile, headDim, valueDim, gradients) : undefined
  const care = teams?.vectors ?? shared + weights
  return {
    rows: 0,
    columns: rows,
    source: 0,
    weights: shared,
    weightStride,
    headStride,
    valueStride,
    care,
    vectors: care + 1,
    note: `${teams?.note ?? `16 bytes times: two chunks of a product ${rows + columns} or one of a sum ${source}, and its weights ${weights}`}; 1 for care`,
  }
}

/** Bytes of workgroup memory a tile needs. */
export function backwardTileBytes(
  tile: BackwardTile,
  headDim: number,
  valueDim: number,
  gradients: GradientRows = 'key',
): number {
  return 16 * backwardMemory(tile, headDim, valueDim, gradients).vectors
}

const middle = { rows: 64, columns: 32, threadRows: 16, threadColumns: 8 } as const
const wide = { rows: 32, columns: 64, threadRows: 8, threadColumns: 16 } as const

/** With all dims of heads to 32 and all visited tokens in workgroup memory: no loop over chunks of either. */
export const wholeTile: BackwardTile = { ...middle, dimChunk: 32, sourceChunk: 32 }

/** Candidates, among which `tile-cost.ts` chooses. */
const middleCandidates: readonly BackwardTile[] = [
  wholeTile,
  { ...middle, dimChunk: 16, sourceChunk: 16 },
  { ...middle, dimChunk: 8, sourceChunk: 8 },
]

/** The same for wide heads, whose gradients need more threads to hold them. */
const wideCandidates: readonly BackwardTile[] = [
  { ...wide, dimChunk: 32, sourceChunk: 16 },
  { ...wide, dimChunk: 16, sourceChunk: 8 },
  { ...wide, dimChunk: 8, sourceChunk: 4 },
]

/** For calls of few rows. */
const shortCandidates: readonly BackwardTile[] = [
  { rows: 16, columns: 64, threadRows: 4, threadColumns: 16, dimChunk: 16, sourceChunk: 16 },
  { rows: 16, columns: 64, threadRows: 4, threadColumns: 16, dimChunk: 8, sourceChunk: 8 },
]

/** The candidates of a kernel that fit, from the least estimated time to the largest. */
export function rankedBackwardTiles(
  rows: GradientRows,
  shape: AttentionShape,
  limits: WorkgroupLimits,
): BackwardTile[] {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const list = Math.max(headDim, valueDim) > 64 ? wideCandidates : middleCandidates
  const fitting = [...list, ...shortCandidates].filter(
    (tile) => backwardTileProblem(tile, shape, limits) === undefined,
  )
  const call =
    rows === 'query'
      ? { rowTokens: queryLength, columnTokens: keyLength, planes: batch * heads }
      : { rowTokens: keyLength, columnTokens: queryLength, planes: batch * kvHeads }
  return rankTiles(fitting, call, (tile) => tileWork(tile, rows, headDim, valueDim))
}

/** The products of a tile as the estimate of its time counts them. */
function tileWork(
  tile: BackwardTile,
  kernel: GradientRows,
  headDim: number,
  valueDim: number,
): TileWork {
  const { rows, columns, threadRows, threadColumns, dimChunk, sourceChunk } = tile
  const { headStride, valueStride } = backwardMemory(tile, headDim, valueDim)
  const both = headDim + valueDim
  const ofQuery = kernel === 'query'
  return {
    rows,
    columns,
    threadRows,
    threadColumns,
    productDims: both,
    sumDims: ofQuery ? [4 * headStride] : [4 * headStride, 4 * valueStride],
    scoreTiles: 2,
    columnElements: ofQuery ? both + headDim : 2 * both,
    rowElements: both,
    chunks:
      Math.ceil(headDim / dimChunk) +
      Math.ceil(valueDim / dimChunk) +
      ((ofQuery ? 1 : 2) * columns) / sourceChunk,
    chunkElements: Math.max((rows + columns) * dimChunk, sourceChunk * Math.max(headDim, valueDim)),
    bytes: backwardTileBytes(tile, headDim, valueDim),
  }
}

/** The tile of a kernel on a device with these limits: of the least estimated time. */
export function chooseBackwardTile(
  rows: GradientRows,
  shape: AttentionShape,
  limits: WorkgroupLimits,
): BackwardTile {
  // The last candidate fits the limits that every device has.
  return rankedBackwardTiles(rows, shape, limits)[0] ?? shortCandidates.at(-1)!
}

/** What keeps a device from running a tile, in words. */
export function backwardTileProblem(
  tile: BackwardTile,
  { headDim, valueDim }: Pick<AttentionShape, 'headDim' | 'valueDim'>,
  limits: WorkgroupLimits,
  gradients: GradientRows = 'key',
): string | undefined {
  const { rows, columns, threadRows, threadColumns, dimChunk, sourceChunk } = tile
  const { teams = 1, parts = 1 } = tile
  const whole =
    rows % 16 === 0 &&
    columns % 16 === 0 &&
    rows % (4 * threadRows) === 0 &&
    columns % (4 * threadColumns) === 0 &&
    dimChunk >= 8 &&
    Number.isInteger(Math.log2(dimChunk)) &&
    [1, 2, 4].includes(parts) &&
    columns % (sourceChunk * parts) === 0 &&
    (teams === 2 ? sourceChunk % 2 === 0 : teams === 1 && parts === 1)
  if (!whole) return 'the sizes of the tile do not divide; see BackwardTile'
  const chunks = [headDim, valueDim].map((dims) => Math.ceil(dims / dimChunk))
  if (teams === 2 && chunks[0] !== chunks[1]) {
    return `two teams take heads and values of as many chunks of dims, got headDim ${headDim} and valueDim ${valueDim} with dimChunk ${dimChunk}`
  }
  const bytes = backwardTileBytes(tile, headDim, valueDim, gradients)
  const threads = tileThreads(tile)
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = limits
  if (bytes > maxComputeWorkgroupStorageSize) {
    return `the tile needs ${bytes} bytes of workgroup memory, the device has maxComputeWorkgroupStorageSize=${maxComputeWorkgroupStorageSize}`
  }
  if (threads > maxComputeInvocationsPerWorkgroup) {
    return `the tile needs ${threads} threads, the device has maxComputeInvocationsPerWorkgroup=${maxComputeInvocationsPerWorkgroup}`
  }
  return undefined
}

/**
 * Checks a tile that the caller has chosen.
 *
 * @throws RangeError when its sizes do not divide or it does not fit the device.
 */
export function checkBackwardTile(
  caller: string,
  tile: BackwardTile,
  headDim: number,
  valueDim: number,
  limits: WorkgroupLimits,
  gradients: GradientRows = 'key',
): void {
  const problem = backwardTileProblem(tile, { headDim, valueDim }, limits, gradients)
  if (problem !== undefined) throw rangeError(`${caller}: ${problem}`)
}
