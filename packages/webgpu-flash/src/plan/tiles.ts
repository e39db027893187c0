// How the forward kernel's tiles fit a device: candidate tiles, the workgroup memory each needs,
// and the choice among them. Memory is counted in vectors of four float32 (16 bytes).

import { transposedStride } from '../kernels/tile/source.ts'

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
}

/** Where everything lies in workgroup memory, in vectors of 4. */
export interface TileMemory {
  readonly query: number
  readonly key: number
  readonly value: number
  readonly probability: number
  readonly reduction: number
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
    probability: tile.keys * probabilityStride,
    reduction: tile.threadColumns * queryVectors,
  }
  const operands = Math.max(size.query + size.key, size.value)
  return {
    query: size.key,
    key: 0,
    value: 0,
    probability: operands,
    reduction: operands,
    valueStride,
    probabilityStride,
    vectors: operands + Math.max(size.probability, size.reduction),
    note: `16 bytes times: Q ${size.query} and K ${size.key}, or V ${size.value}; row maxima ${size.reduction}, or P ${size.probability}`,
  }
}

/** What a device lets a workgroup have. */
export interface WorkgroupLimits {
  readonly maxComputeWorkgroupStorageSize: number
  readonly maxComputeInvocationsPerWorkgroup: number
}

/**
 * Candidates from the fastest measured (on an NVIDIA H200) to the least demanding; the first that
 * fits is taken. Keeping all of Q in workgroup memory was slower in every case: the workgroups that
 * no longer run side by side cost more than reading Q again from the cache.
 */
const narrowTiles: readonly ForwardTile[] = [
  { queries: 64, keys: 32, threadRows: 16, threadColumns: 8, dimChunk: 32, valueChunk: 32 },
  { queries: 64, keys: 32, threadRows: 16, threadColumns: 8, dimChunk: 16, valueChunk: 16 },
  { queries: 64, keys: 32, threadRows: 16, threadColumns: 8, dimChunk: 8, valueChunk: 8 },
]

/** For widths above 64, where a tile's products outweigh its softmax. */
const middleTiles: readonly ForwardTile[] = [
  { queries: 128, keys: 64, threadRows: 16, threadColumns: 16, dimChunk: 16, valueChunk: 16 },
  { queries: 64, keys: 64, threadRows: 16, threadColumns: 16, dimChunk: 32, valueChunk: 32 },
  { queries: 64, keys: 32, threadRows: 16, threadColumns: 8, dimChunk: 32, valueChunk: 16 },
  { queries: 64, keys: 32, threadRows: 16, threadColumns: 8, dimChunk: 8, valueChunk: 8 },
]

/** For values wider than 128, whose outputs need more threads to hold them. */
const wideTiles: readonly ForwardTile[] = [
  { queries: 32, keys: 64, threadRows: 8, threadColumns: 16, dimChunk: 16, valueChunk: 8 },
  { queries: 32, keys: 64, threadRows: 8, threadColumns: 16, dimChunk: 8, valueChunk: 4 },
]

function candidates(headDim: number, valueDim: number): readonly ForwardTile[] {
  if (valueDim > 128) return wideTiles
  return Math.max(headDim, valueDim) > 64 ? middleTiles : narrowTiles
}

/** Bytes of workgroup memory a tile needs. */
export function tileBytes(tile: ForwardTile, valueDim: number): number {
  return 16 * tileMemory(tile, valueDim).vectors
}

/**
 * The tile for these sizes on a device with these limits.
 *
 * @throws RangeError when nothing fits, which the limits WebGPU guarantees rule out for dims to 256.
 */
export function chooseTile(
  queryLength: number,
  headDim: number,
  valueDim: number,
  limits: WorkgroupLimits,
): ForwardTile {
  for (const tile of candidates(headDim, valueDim)) {
    const fits =
      tileBytes(tile, valueDim) <= limits.maxComputeWorkgroupStorageSize &&
      tile.threadRows * tile.threadColumns <= limits.maxComputeInvocationsPerWorkgroup
    // Half a tile of rows that do not exist would be work for nothing.
    if (fits && (tile.queries <= 64 || tile.queries < 2 * queryLength)) return tile
  }
  throw new RangeError(
    `flash.plan: headDim and valueDim must be at most 256, got ${headDim} and ${valueDim}`,
  )
}

/** The least multiple of `step` that is not below `value`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step
}
