// Where standard attention keeps its scores, and what refuses: pure arithmetic on sizes and limits.
// S and P share one allocation of B*H*L*S elements (the softmax works in place); where that exceeds
// what one binding may span it becomes several buffers of whole heads.
import { rangeError, shapeError, UnsupportedError } from '@attn/core'
import type { DType } from '@attn/core'
import { bytesOf } from './storage.wgsl.ts'

/** Sizes of one call; every head has its own keys and values. */
export interface StandardShape {
  readonly batch: number
  readonly heads: number
  readonly queryLength: number
  readonly keyLength: number
  /** Of queries and keys; a multiple of four. */
  readonly headDim: number
  /** Of values; a multiple of four. Default: headDim. */
  readonly valueDim?: number | undefined
  /** Of inputs, scores and outputs; sums are float32. Default: float32. */
  readonly dtype?: DType | undefined
  /** Whether queries see only keys up to their own position. Default: false. */
  readonly causal?: boolean | undefined
}

/** The limits that decide. */
export interface StandardLimits {
  readonly maxBufferSize: number
  readonly maxStorageBufferBindingSize: number
  readonly maxComputeWorkgroupsPerDimension: number
}

/** Consecutive (batch, head) pairs whose scores lie in one buffer. */
export interface ScoreChunk {
  readonly firstHead: number
  readonly heads: number
  readonly bytes: number
}

/** How the scores are laid out. */
export interface ScoreLayout {
  readonly chunks: readonly ScoreChunk[]
  /** All chunks together: B*H*L*S elements, rows padded to a multiple of four. */
  readonly bytes: number
}

/**
 * Bytes of the scores that standard attention writes down.
 *
 * @example
 * ```ts
 * import { scoreBytes } from '@attn/bench'
 * scoreBytes({ batch: 1, heads: 16, queryLength: 4096, keyLength: 4096, headDim: 64 }) // => 2 ** 30
 * ```
 */
export function scoreBytes(shape: StandardShape): number {
  const { batch, heads, queryLength, keyLength, dtype = 'float32' } = shape
  return batch * heads * queryLength * Math.ceil(keyLength / 4) * 4 * bytesOf(dtype)
}

/**
 * Splits the scores into buffers that this device can bind.
 *
 * @throws RangeError for sizes that are no positive integers, or head dims not divisible by four.
 * @throws UnsupportedError when one head's scores, or an input, exceed what the device can bind.
 */
export function layOutScores(shape: StandardShape, limits: StandardLimits): ScoreLayout {
  const { batch, heads, queryLength, keyLength, headDim, valueDim = headDim } = shape
  const sizes = { batch, heads, queryLength, keyLength, headDim, valueDim }
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < 1) {
      throw rangeError(`standardAttention: ${name} must be a positive integer, got ${size}`)
    }
  }
  for (const [name, size] of Object.entries({ headDim, valueDim })) {
    if (size % 4 !== 0) {
      throw shapeError(`standardAttention: ${name} must be a multiple of four, got ${size}`)
    }
  }
  const allHeads = batch * heads
  const largest = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize)
  const longest = Math.max(queryLength, keyLength)
  const inputBytes =
    allHeads * longest * Math.max(headDim, valueDim) * bytesOf(shape.dtype ?? 'float32')
  const headBytes = scoreBytes(shape) / allHeads
  for (const [what, bytes] of Object.entries({
    'an input': inputBytes,
    "one head's scores": headBytes,
  })) {
    if (bytes > largest) {
      throw new UnsupportedError(
        `standardAttention: ${what} needs ${bytes} bytes, but this device binds ${largest} ` +
          '(maxStorageBufferBindingSize); use shorter sequences or fewer heads',
      )
    }
  }
  if (queryLength > limits.maxComputeWorkgroupsPerDimension) {
    throw new UnsupportedError(
      `standardAttention: queryLength ${queryLength} exceeds this device's ` +
        `maxComputeWorkgroupsPerDimension ${limits.maxComputeWorkgroupsPerDimension}; use shorter sequences`,
    )
  }
  const most = Math.min(Math.floor(largest / headBytes), limits.maxComputeWorkgroupsPerDimension)
  // Even chunks: a small last one would leave a large GPU idle.
  const perChunk = Math.ceil(allHeads / Math.ceil(allHeads / most))
  const chunks: ScoreChunk[] = []
  for (let firstHead = 0; firstHead < allHeads; firstHead += perChunk) {
    const count = Math.min(perChunk, allHeads - firstHead)
    chunks.push({ firstHead, heads: count, bytes: count * headBytes })
  }
  return { chunks, bytes: scoreBytes(shape) }
}
