// How long causal attention takes, where it takes too long to be measured: quadratic in the length, and
// so foreseen from the longest length that was quick enough.
import { baselineAt } from './patterns.ts'
import type { CausalTime, SparseLength } from './report.ts'

/** A length and what causal attention took there. */
export type CausalAt = Pick<SparseLength, 'length' | 'causal'>

/** The time at another length: as many times as long as there are more pairs. */
export function extrapolate({ length, causal }: CausalAt, to: number): CausalTime {
  const scale = baselineAt(to).pairs / baselineAt(length).pairs
  const samples = causal.samples.map((sample) => sample * scale)
  const { median, minimum, maximum, headsMeasured } = causal
  return {
    median: median * scale,
    minimum: minimum * scale,
    maximum: maximum * scale,
    samples,
    headsMeasured,
    extrapolatedFrom: length,
  }
}

/** On how many heads it can be measured: 0 where even one takes longer than `seconds`. */
export function headsWithin(seconds: number, heads: number, foreseenMilliseconds: number): number {
  const fitting = Math.floor((heads * seconds * 1000) / Math.max(foreseenMilliseconds, 1e-9))
  return Math.min(fitting, heads)
}
