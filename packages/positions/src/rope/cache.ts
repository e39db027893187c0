// Cached keys. Where frequencies depend on the sequence length (dynamic NTK, LongRoPE), a key that
// was rotated when the sequence was short has the wrong angle once it is longer (arXiv 2309.00071,
// section 3.3). Either cache keys unrotated and rotate all of them at each step, or turn the cached
// ones by the difference.
import { shapeError } from '@attn/core'
import type { RotaryEmbedding } from '@attn/core'
import type { RopeFrequencies } from './frequencies.ts'
import { checkRotary } from './turn-pairs.ts'

/**
 * The rotation that takes vectors rotated by `from` to vectors rotated by `to`, at the same
 * positions: frequencies are subtracted, attention factors divided.
 *
 * Each use rounds the cache once more, so with float16 keys prefer caching them unrotated.
 *
 * @throws RangeError when the two have different layouts or rotaryDim.
 *
 * @example
 * ```ts
 * import { zeros } from '@attn/core'
 * import { ropeFrequencies, rotate, rotationBetween } from '@attn/positions'
 * import type { RopeConfig } from '@attn/positions'
 * const config: RopeConfig = { type: 'dynamic', headDim: 8, factor: 2, trainedLength: 16 }
 * const before = ropeFrequencies(config, { sequenceLength: 16 })
 * const after = ropeFrequencies(config, { sequenceLength: 24 })
 * const cached = rotate(zeros([1, 2, 16, 8]), before)
 * const repaired = rotate(cached, rotationBetween(before, after)) // as if rotated by `after`
 * repaired.shape // => [1, 2, 16, 8]
 * ```
 */
export function rotationBetween(from: RotaryEmbedding, to: RotaryEmbedding): RopeFrequencies {
  checkRotary('rotationBetween', from)
  checkRotary('rotationBetween', to)
  if (from.layout !== to.layout || from.rotaryDim !== to.rotaryDim) {
    throw shapeError(
      `rotationBetween: layout and rotaryDim must match, got ${from.layout} ${from.rotaryDim} and ${to.layout} ${to.rotaryDim}`,
    )
  }
  return {
    layout: to.layout,
    rotaryDim: to.rotaryDim,
    attentionFactor: to.attentionFactor / from.attentionFactor,
    inverseFrequencies: Float64Array.from(
      to.inverseFrequencies,
      (frequency, pair) => frequency - from.inverseFrequencies[pair]!,
    ),
  }
}
