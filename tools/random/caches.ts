// Caches of random problems: made as a problem says, and filled with its keys and values chunk by chunk, so that
// pages of several sequences take turns and rings go round.
import { mask, slice } from '../../packages/core/src/index.ts'
import type { Mask } from '../../packages/core/src/index.ts'
import { and } from '../../packages/masks/src/index.ts'
import type { FlashAttention, KeyValueCache } from '../../packages/webgpu-flash/src/index.ts'
import type { CacheData, CallProblem } from './problem.ts'
import type { ProblemTensors } from './tensors.ts'

/** What queries see through a cache: of a ring its window and sinks. */
export function maskOfCache(
  given: Mask | undefined,
  cache: CacheData | undefined,
): Mask | undefined {
  const { ring } = cache ?? {}
  if (!ring) return given
  const seen = mask('ring', ({ query, key }) =>
    key.lt(ring.sinks).or(query.sub(key).lt(ring.window)),
  )
  return given ? and(given, seen) : seen
}

/** A cache with the keys and values of a problem, `lengths` of each sequence. */
export function filledCache(
  flash: FlashAttention,
  { shape, dtype }: CallProblem,
  { chunk, quantized, pageSize, ring }: CacheData,
  { key, value }: ProblemTensors,
  lengths: ArrayLike<number>,
): KeyValueCache {
  const { batch, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const cache = flash.cache({
    batch,
    kvHeads,
    headDim,
    valueDim,
    dtype,
    // So many rows more than its window that the first of the queries has all of its own.
    capacity: ring ? ring.window + ring.sinks + queryLength : keyLength,
    ...(quantized && { quantized }),
    ...(ring && { ring }),
    ...(pageSize && { pages: { pageSize, count: batch * Math.ceil(keyLength / pageSize) } }),
  })
  for (let start = 0; start < keyLength; start += chunk) {
    const end = Math.min(keyLength, start + chunk)
    const counts = Array.from(lengths, (length) => Math.max(0, Math.min(end, length) - start))
    const rows = [key, value].map((tensor) => flash.upload(slice(tensor, 2, start, end)))
    cache.append({ key: rows[0]!, value: rows[1]!, counts })
    flash.release(...rows)
  }
  return cache
}
