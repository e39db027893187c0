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
  /** Whether Q stays in workgroup memory for all key tiles, or is read again for each. */
  readonly queryResident: boolean
  /** Whether V has memory of its own and is loaded together with K (needs `valueChunk === keys` and
   * all dims of K at once). */
  readonly separateValue: boolean
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
  /** Whether the reduction borrows the probabilities' memory, at the price of a barrier. */
  readonly probabilityShared: boolean
  /** All of it. */
  readonly vectors: number
  /** The sum in words, for the comment in the shader. */
  readonly note: string
}

/** Lays a tile out in workgroup memory, sharing what is never alive together. */
export function tileMemory(tile: ForwardTile, headDim: number, valueDim: number): TileMemory {
  const queryVectors = tile.queries / 4
  const residentDims = tile.queryResident ? roundUp(headDim, tile.dimChunk) : tile.dimChunk
  const valueStride = roundUp(Math.ceil(valueDim / 4), tile.threadColumns)
  const probabilityStride = queryVectors + 1
  const size = {
    query: residentDims * transposedStride(tile.queries),
    key: tile.dimChunk * transposedStride(tile.keys),
    value: tile.valueChunk * valueStride,
    probability: tile.keys * probabilityStride,
    reduction: tile.threadColumns * queryVectors,
  }
  const resident = tile.queryResident ? size.query : 0
  const working = size.key + (tile.queryResident ? 0 : size.query)
  if (tile.separateValue) {
    // K is dead when the probabilities are written; V is not.
    const shared = Math.max(working, size.probability)
    const vectors = resident + shared + size.value + size.reduction
    return {
      query: tile.queryResident ? 0 : size.key,
      key: resident,
      probability: resident,
      value: resident + shared,
      reduction: resident + shared + size.value,
      valueStride,
      probabilityStride,
      probabilityShared: false,
      vectors,
      note: `16 bytes times: Q ${size.query}, K ${size.key} or P ${size.probability}, V ${size.value}, row maxima ${size.reduction}`,
    }
  }
  // V replaces K (and a chunk of Q), while the probabilities are alive.
  const shared = Math.max(working, size.value)
  const probability = Math.max(size.probability, size.reduction)
  return {
    query: tile.queryResident ? 0 : size.key,
    key: resident,
    value: resident,
    probability: resident + shared,
    reduction: resident + shared,
    valueStride,
    probabilityStride,
    probabilityShared: true,
    vectors: resident + shared + probability,
    note: `16 bytes times: Q ${size.query}, K ${size.key} or V ${size.value}, row maxima ${size.reduction} or P ${size.probability}`,
  }
}

/** What a device lets a workgroup have. */
export interface WorkgroupLimits {
  readonly maxComputeWorkgroupStorageSize: number
  readonly maxComputeInvocationsPerWorkgroup: number
}

const shared = { queryResident: false, separateValue: false } as const

/**
 * Candidates from the fastest measured to the least demanding; the first that fits is taken. Keeping
 * all of Q in workgroup memory was slower on every GPU measured: what it costs in workgroups that
 * run side by side is more than reading Q again from the cache does.
 */
const candidates: readonly ForwardTile[] = [
  {
    ...shared,
    queries: 64,
    keys: 32,
    threadRows: 16,
    threadColumns: 8,
    dimChunk: 32,
    valueChunk: 32,
  },
  {
    ...shared,
    queries: 64,
    keys: 32,
    threadRows: 16,
    threadColumns: 8,
    dimChunk: 16,
    valueChunk: 16,
  },
  {
    ...shared,
    queries: 64,
    keys: 32,
    threadRows: 16,
    threadColumns: 8,
    dimChunk: 8,
    valueChunk: 8,
  },
]

/** The same for values wider than 128, whose outputs need more threads to hold them. */
const wideCandidates: readonly ForwardTile[] = [
  {
    ...shared,
    queries: 32,
    keys: 64,
    threadRows: 8,
    threadColumns: 16,
    dimChunk: 16,
    valueChunk: 8,
  },
  {
    ...shared,
    queries: 32,
    keys: 64,
    threadRows: 8,
    threadColumns: 16,
    dimChunk: 8,
    valueChunk: 4,
  },
]

/** Bytes of workgroup memory a tile needs. */
export function tileBytes(tile: ForwardTile, headDim: number, valueDim: number): number {
  return 16 * tileMemory(tile, headDim, valueDim).vectors
}

/**
 * The tile for these head dims on a device with these limits.
 *
 * @throws RangeError when nothing fits, which the limits WebGPU guarantees rule out for dims to 256.
 */
export function chooseTile(
  headDim: number,
  valueDim: number,
  limits: WorkgroupLimits,
): ForwardTile {
  for (const tile of valueDim > 128 ? wideCandidates : candidates) {
    const fits =
      tileBytes(tile, headDim, valueDim) <= limits.maxComputeWorkgroupStorageSize &&
      tile.threadRows * tile.threadColumns <= limits.maxComputeInvocationsPerWorkgroup
    if (fits) return tile
  }
  throw new RangeError(
    `flash.plan: headDim and valueDim must be at most 256, got ${headDim} and ${valueDim}`,
  )
}

/** The least multiple of `step` that is not below `value`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step
}
