// What causal attention takes at short lengths, before the first length that was asked for: without it
// nobody would know that one of a million tokens takes a minute.
import type { FlashAttention } from '@attn/webgpu-flash'
import { extrapolate } from './baseline.ts'
import type { SparseLength } from './report.ts'
import { runLength } from './run-length.ts'
import type { LengthOptions } from './run-length.ts'

/** Where lengths to learn from begin, and how much longer each is than the one before. */
const firstLength = 1024
const step = 4

/** Times causal attention alone at lengths below the first one, as far as `seconds` allows. */
export async function calibrate(
  flash: FlashAttention,
  options: LengthOptions,
  below: number,
): Promise<SparseLength | undefined> {
  const { seconds = 1 } = options
  const contest = { ...options.contest, rounds: 3, warmUpMilliseconds: 300 }
  const alone = { ...options, patterns: [], memoryBytes: 0, contest }
  let last: SparseLength | undefined
  for (let length = firstLength; step * length <= below; length *= step) {
    if (last && extrapolate(last, length).median > seconds * 1000) break
    last = await runLength(flash, alone, length, last)
  }
  return last
}
