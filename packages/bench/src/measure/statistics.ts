// What many timings of one thing come down to. Medians, not means: a timing is disturbed in one
// direction only (something else ran), so the mean of a few is that of the disturbances.
import { rangeError } from '@attn/core'

/** A list of numbers in a few: all in the unit of the samples. */
export interface Summary {
  readonly median: number
  readonly minimum: number
  readonly maximum: number
}

/**
 * The middle value, or the mean of the two middle ones.
 *
 * @param samples - At least one number, in any order; left as it is.
 * @throws RangeError when there is none, or one is not finite.
 *
 * @example
 * ```ts
 * import { median } from '@attn/bench'
 * median([9, 1, 2]) // => 2
 * median([4, 1, 2, 3]) // => 2.5
 * ```
 */
export function median(samples: readonly number[]): number {
  if (samples.length === 0) throw rangeError('median: needs at least one sample, got none')
  if (!samples.every(Number.isFinite)) {
    throw rangeError(`median: samples must be finite, got [${samples.join(', ')}]`)
  }
  const ordered = samples.toSorted((left, right) => left - right)
  const middle = ordered.length >> 1
  return ordered.length % 2 === 1 ? ordered[middle]! : (ordered[middle - 1]! + ordered[middle]!) / 2
}

/**
 * Median, minimum and maximum.
 *
 * @throws RangeError when there is no sample, or one is not finite.
 *
 * @example
 * ```ts
 * import { summarize } from '@attn/bench'
 * summarize([3, 1, 2]) // => { median: 2, minimum: 1, maximum: 3 }
 * ```
 */
export function summarize(samples: readonly number[]): Summary {
  return {
    median: median(samples),
    minimum: samples.reduce((least, sample) => Math.min(least, sample)),
    maximum: samples.reduce((most, sample) => Math.max(most, sample)),
  }
}
