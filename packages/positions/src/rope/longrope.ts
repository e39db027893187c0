// LongRoPE (Ding et al., arXiv 2402.13753): every pair has a factor of its own, found by search. A
// checkpoint (Phi-3) brings one list for sequences up to the training length and one for longer.
// The paper also leaves the first few positions unscaled; no checkpoint does, and neither does this.
import { shapeError } from '@attn/core'
import { baseFrequencies } from './base-frequencies.ts'
import type { LongRope } from './config.ts'

/**
 * Frequencies divided by the list that the sequence length asks for. The switch changes every
 * frequency at once, so keys rotated before it do not fit queries rotated after it.
 *
 * @throws RangeError when a list does not hold rotaryDim / 2 positive numbers.
 */
export function longRopeFrequencies(
  config: LongRope,
  sequenceLength: number,
): Float64Array<ArrayBuffer> {
  const { headDim, rotaryDim = headDim, base = 10000, trainedLength } = config
  for (const name of ['shortFactor', 'longFactor'] as const) {
    const factors = config[name]
    if (factors?.length !== rotaryDim / 2 || !Array.from(factors).every((factor) => factor > 0)) {
      throw shapeError(
        `ropeFrequencies: ${name} must hold rotaryDim / 2 = ${rotaryDim / 2} positive numbers, got ${factors?.length}`,
      )
    }
  }
  const factors = sequenceLength > trainedLength ? config.longFactor : config.shortFactor
  return baseFrequencies(base, rotaryDim).map((frequency, pair) => frequency / factors[pair]!)
}

/**
 * Factor on cosine and sine: sqrt(1 + ln factor / ln L) at every sequence length, unless the checkpoint
 * brings its own.
 */
export function longRopeAttentionFactor(config: LongRope, sequenceLength: number): number {
  const { factor, trainedLength, shortAttentionFactor, longAttentionFactor } = config
  const own = sequenceLength > trainedLength ? longAttentionFactor : shortAttentionFactor
  const given = own ?? config.attentionFactor
  if (given !== undefined) return given
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(trainedLength))
}
