// The time of one call without what surrounds it: a chain of 9 calls takes 8 calls longer than a chain
// of 1, and transfers, submission and waiting are in both. Works for any runtime, on the wall clock.
import { median, summarize } from './statistics.ts'
import type { Summary } from './statistics.ts'

/** Calls in the two chains. */
export const chains = { short: 1, long: 9 } as const

/** One run of each chain, in milliseconds. */
export interface ChainPair {
  readonly short: number
  readonly long: number
}

/** Milliseconds of one call. */
export interface ChainMeasurement extends Summary {
  /** One per round. */
  readonly samples: readonly number[]
  /** Pairs of chains per round. */
  readonly pairs: number
}

/**
 * Milliseconds of one call: per round the difference of the chains' medians, over the 8 calls.
 *
 * @param rounds - At least one, of at least one pair each.
 * @returns Undefined when the long chain is no slower: the call is too short for this clock.
 * @throws RangeError when there is no round, or one without pairs.
 */
export function chainDifference(
  rounds: readonly (readonly ChainPair[])[],
): ChainMeasurement | undefined {
  const samples = rounds.map(
    (pairs) =>
      (median(pairs.map(({ long }) => long)) - median(pairs.map(({ short }) => short))) /
      (chains.long - chains.short),
  )
  const summary = summarize(samples)
  return summary.median > 0 ? { ...summary, samples, pairs: rounds[0]!.length } : undefined
}
