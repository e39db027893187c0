// How the forward kernel's tiles fit a device: candidate tiles, the workgroup memory each needs,
// and the choice among them. Memory is counted in vectors of four float32 (16 bytes).
import { rangeError } from '@attn/core'
import type { AttentionShape } from '@attn/core'
import { transposedStride } from '../../kernels/tile/source.ts'
import { rankTiles } from '../tile-cost.ts'
import type { TileWork } from '../tile-cost.ts'

/** One way to cut the work: sizes in tokens, threads and dims. */
export interface ForwardTile {
  /** Query rows of a workgroup; a multiple of 4 times `threadRows`. */
  readonly queries: number
  /** Keys visited at a time; a multiple of 4 times `threadColumns`. */
  readonly keys: number
  /** The workgroup as a grid: rows share query rows, columns share keys and output dims. */
  readonly threadRows: number
  readonly threadColumns: number
  /** Dims of Q and K in workgroup memory at a time; a power of two, at least 8. */
  readonly dimChunk: number
  /** Keys of V in workgroup memory at a time; divides `keys`. */
  readonly valueChunk: number
  /**
   * Whether no more probabilities than those of `valueChunk` keys are in workgroup memory at a time,
   * which leaves room for larger tiles; `valueChunk` is then a half or a quarter of `keys`.
   */
  readonly probabilitiesInChunks?: boolean | undefined
}

/** Where everything lies in workgroup memory, in vectors of 4. */
export interface TileMemory {
  readonly query: number
  readonly key: number
  readonly value: number
  readonly probability: number
  readonly reduction: number
  /** One vector: whether the workgroup has to compute with care; see kernels/careful.ts. */
  readonly care: number
  /** Vectors between neighbouring keys of V: value dims rounded up to whole thread columns. */
  readonly valueStride: number
  /** Vectors between keys of the probabilities: one more than the rows, against bank conflicts. */
  readonly probabilityStride: number
  /** All of it. */
  readonly vectors: number
  /** The sum in words, for the comment in the shader. */
  readonly note: string
}

/** Lays a tile out in workgroup memory: V replaces Q and K, and P the maxima it was made with. */
export function tileMemory(tile: ForwardTile, valueDim: number): TileMemory {
  const queryVectors = tile.queries / 4
  const valueStride = roundUp(Math.ceil(valueDim / 4), tile.threadColumns)
  const probabilityStride = queryVectors + 1
  const size = {
    query: tile.dimChunk * transposedStride(tile.queries),
    key: tile.dimChunk * transposedStride(tile.keys),
    value: tile.valueChunk * valueStride,
    probability: (tile.probabilitiesInChunks ? tile.valueChunk : tile.keys) * probabilityStride,
    reduction: tile.threadColumns * queryVectors,
  }
  const operands = Math.max(size.query + size.key, size.value)
  const care = operands + Math.max(size.probability, size.reduction)
  return {
    query: size.key,
    key: 0,
    value: 0,
    probability: operands,
    reduction: operands,
    care,
    valueStride,
    probabilityStride,
    vectors: care + 1,
    note: `16 bytes times: Q ${size.query} and K ${size.key}, or V ${size.value}; row maxima ${size.reduction}, or P ${size.probability}; 1 for care`,
  }
}

/** What a device lets a workgroup have. */
export interface WorkgroupLimits {
  readonly maxComputeWorkgroupStorageSize: number
  readonly maxComputeInvocationsPerWorkgroup: number
}

/**
 * Candidates, the fastest measured on an NVIDIA H200 for 16 KiB of workgroup memory and for more;
 * `tile-cost.ts` chooses. What was slower there in every case: all of Q in workgroup memory, because
 * the workgroups that no longer run side by side cost more than reading Q again from the cache; and
 * all probabilities of a tile at once, for the same reason.
 */
const narrowTiles: readonly ForwardTile[] = [
  { ...chunked(64, 64, 16, 8), dimChunk: 32, valueChunk: 16 },
  { ...chunked(64, 64, 8, 16), dimChunk: 16, valueChunk: 16 },
]

/** For widths above 64, whose outputs need more threads to hold them. */
const middleTiles: readonly ForwardTile[] = [
  { ...chunked(64, 64, 16, 16), dimChunk: 32, valueChunk: 16 },
  { ...chunked(64, 64, 16, 16), dimChunk: 16, valueChunk: 16 },
]

/** For values wider than 128. */
const wideTiles: readonly ForwardTile[] = [
  { ...chunked(64, 128, 16, 32), dimChunk: 16, valueChunk: 32 },
  { ...chunked(64, 64, 16, 16), dimChunk: 32, valueChunk: 16 },
  { ...chunked(32, 64, 8, 16), dimChunk: 32, valueChunk: 16 },
  { queries: 32, keys: 64, threadRows: 8, threadColumns: 16, dimChunk: 8, valueChunk: 4 },
]

/**
 * For values wider than 256. Fewer rows, since the outputs of a row take all the registers that four took;
 * the second and third fit into 16 KiB. Which is the fastest has not been measured.
 */
const widestTiles: readonly ForwardTile[] = [
  { queries: 32, keys: 128, threadRows: 8, threadColumns: 32, dimChunk: 16, valueChunk: 8 },
  { queries: 32, keys: 64, threadRows: 8, threadColumns: 16, dimChunk: 16, valueChunk: 2 },
  { queries: 16, keys: 64, threadRows: 4, threadColumns: 16, dimChunk: 16, valueChunk: 4 },
]

/** A tile with the probabilities of a chunk at a time. */
function chunked(queries: number, keys: number, threadRows: number, threadColumns: number) {
  return { queries, keys, threadRows, threadColumns, probabilitiesInChunks: true }
}

/** For calls of few rows: a decoding step, short sequences, one head. */
const shortTiles: readonly ForwardTile[] = [
  { queries: 32, keys: 64, threadRows: 8, threadColumns: 16, dimChunk: 16, valueChunk: 16 },
  { queries: 16, keys: 64, threadRows: 4, threadColumns: 16, dimChunk: 16, valueChunk: 16 },
  { queries: 16, keys: 64, threadRows: 4, threadColumns: 16, dimChunk: 16, valueChunk: 8 },
]

function candidates(headDim: number, valueDim: number): readonly ForwardTile[] {
  if (valueDim > 256) return widestTiles
  const narrow = Math.max(headDim, valueDim) <= 64
  const tiles = valueDim > 128 ? wideTiles : narrow ? narrowTiles : middleTiles
  return [...tiles, ...shortTiles]
}

/** Bytes of workgroup memory a tile needs. */
export function tileBytes(tile: ForwardTile, valueDim: number): number {
  return 16 * tileMemory(tile, valueDim).vectors
}

/** Whether a device with these limits can run a tile. */
export function tileFits(tile: ForwardTile, valueDim: number, limits: WorkgroupLimits): boolean {
  return (
    tileBytes(tile, valueDim) <= limits.maxComputeWorkgroupStorageSize &&
    tile.threadRows * tile.threadColumns <= limits.maxComputeInvocationsPerWorkgroup
  )
}

/** The candidates that fit, from the least estimated time to the largest. */
export function rankedTiles(shape: AttentionShape, limits: WorkgroupLimits): ForwardTile[] {
  const { batch, heads, queryLength, keyLength, headDim, valueDim } = shape
  const fitting = candidates(headDim, valueDim).filter((tile) => tileFits(tile, valueDim, limits))
  const call = { rowTokens: queryLength, columnTokens: keyLength, planes: batch * heads }
  return rankTiles(fitting, call, (tile) => tileWork(tile, headDim, valueDim))
}

/** The products of a tile as the estimate of its time counts them. */
function tileWork(tile: ForwardTile, headDim: number, valueDim: number): TileWork {
  const { queries, keys, threadRows, threadColumns, dimChunk, valueChunk } = tile
  return {
    rows: queries,
    columns: keys,
    threadRows,
    threadColumns,
    productDims: headDim,
    sumDims: [4 * tileMemory(tile, valueDim).valueStride],
    scoreTiles: 1,
    columnElements: headDim + valueDim,
    rowElements: headDim,
    chunks: Math.ceil(headDim / dimChunk) + keys / valueChunk,
    chunkElements: Math.max((queries + keys) * dimChunk, valueChunk * valueDim),
    bytes: tileBytes(tile, valueDim),
  }
}

/**
 * The tile for these sizes on a device with these limits: of the candidates that fit, the one of the
 * least estimated time.
 *
 * @throws RangeError when nothing fits, which the limits WebGPU guarantees rule out.
 */
export function chooseTile(shape: AttentionShape, limits: WorkgroupLimits): ForwardTile {
  const [best] = rankedTiles(shape, limits)
  if (best) return best
  throw rangeError(`flash.plan: no tile fits the device for valueDim=${shape.valueDim}`)
}

/** The least multiple of `step` that is not below `value`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step
}
