// YaRN (Peng et al., arXiv 2309.00071) as its code does it, which is not what its paper says: the
// ramp runs linearly in the *index* of the pair, between two indices rounded outwards, and not in
// the number of turns. At d = 128, L = 2048, s = 10 the two differ by up to 156 %. Checkpoints were
// trained with the code, and so do Hugging Face, vLLM and this file; the paper's rule is `by-parts`.
import { rangeError } from '@attn/core'
import { baseFrequencies } from './base-frequencies.ts'
import type { YarnRope } from './config.ts'

/** The (fractional) pair that makes `turns` turns inside the training length. */
function pairWithTurns(
  turns: number,
  base: number,
  rotaryDim: number,
  trainedLength: number,
): number {
  return (rotaryDim * Math.log(trainedLength / (turns * 2 * Math.PI))) / (2 * Math.log(base))
}

/**
 * The pairs between which YaRN blends: up to `low` they are left alone, from `high` on interpolated
 * in full. The upper bound is rotaryDim - 1 although there are only rotaryDim / 2 pairs, as in the
 * reference code.
 *
 * @example
 * ```ts
 * import { yarnRamp } from '@attn/positions'
 * yarnRamp({ type: 'yarn', headDim: 128, factor: 10, trainedLength: 2048 }) // => { low: 16, high: 41 }
 * ```
 */
export function yarnRamp(config: YarnRope): { low: number; high: number } {
  const { headDim, rotaryDim = headDim, base = 10000, trainedLength } = config
  const { betaFast = 32, betaSlow = 1, truncate = true } = config
  if (!(betaSlow > 0 && betaSlow <= betaFast)) {
    throw rangeError(
      `ropeFrequencies: betaSlow must lie in 0..betaFast, got ${betaSlow} and ${betaFast}`,
    )
  }
  const first = pairWithTurns(betaFast, base, rotaryDim, trainedLength)
  const last = pairWithTurns(betaSlow, base, rotaryDim, trainedLength)
  return {
    low: Math.max(truncate ? Math.floor(first) : first, 0),
    high: Math.min(truncate ? Math.ceil(last) : last, rotaryDim - 1),
  }
}

/** YaRN's frequencies. */
export function yarnFrequencies(config: YarnRope): Float64Array<ArrayBuffer> {
  const { headDim, rotaryDim = headDim, base = 10000, factor } = config
  const { low, high } = yarnRamp(config)
  // Where both ends meet, the ramp is a step just after that pair.
  const width = low === high ? 0.001 : high - low
  return baseFrequencies(base, rotaryDim).map((frequency, pair) => {
    const interpolated = Math.min(Math.max((pair - low) / width, 0), 1)
    return (frequency / factor) * interpolated + frequency * (1 - interpolated)
  })
}

/** YaRN's fit of the temperature: 0.1 weight ln(factor) + 1, and 1 where nothing is extended. */
function temperature(factor: number, weight: number): number {
  return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1
}

/**
 * Factor on cosine and sine, sqrt(1/t) in the paper: scores get its square. `attentionFactor` wins;
 * `mscale` and `mscaleAllDim` count only when both are given and not 0.
 */
export function yarnAttentionFactor(config: YarnRope): number {
  const { factor, attentionFactor, mscale, mscaleAllDim } = config
  if (attentionFactor !== undefined) return attentionFactor
  if (mscale && mscaleAllDim) return temperature(factor, mscale) / temperature(factor, mscaleAllDim)
  return temperature(factor, 1)
}

/**
 * Factor on the *softmax scale* of models with `mscaleAllDim` (DeepSeek V2 and V3): there the
 * temperature is taken out of cosine and sine, as far as `mscaleAllDim` goes, and put into the scale
 * 1 / sqrt(headDim), since only a part of each head rotates. Multiply `scale` by this number and
 * keep `attentionFactor` as it is: one without the other loses the temperature, and setting
 * `attentionFactor` to 0.1 ln(factor) + 1 besides counts it twice. 1 for all other models, and where
 * the file of another model has the setting but its code does not read it (`scalesScores: false`).
 *
 * @example
 * ```ts
 * import { ropeFrequencies, yarnScoreScale } from '@attn/positions'
 * import type { YarnRope } from '@attn/positions'
 * const deepSeek: YarnRope = {
 *   type: 'yarn', headDim: 64, factor: 40, trainedLength: 4096, mscale: 1, mscaleAllDim: 1,
 * }
 * ropeFrequencies(deepSeek).attentionFactor // => 1
 * yarnScoreScale(deepSeek).toFixed(4) // => '1.8739'
 * ```
 */
export function yarnScoreScale(config: YarnRope): number {
  const { mscaleAllDim, scalesScores = true } = config
  return mscaleAllDim && scalesScores ? temperature(config.factor, mscaleAllDim) ** 2 : 1
}
