// The score of a rotated query and key as a function of their distance s: a sum of d/2 waves,
// a(s) = sum_j cosines_j cos(s theta_j) + sines_j sin(s theta_j) (arXiv 2306.15595, section 2.2).
// Everything about extrapolation follows from this one formula.
import { shapeError } from '@attn/core'
import type { RotaryEmbedding } from '@attn/core'
import { checkRotary, pairElements } from '../rope/turn-pairs.ts'

/** Amplitudes of the waves that make up a score, one cosine and one sine a pair. */
export interface ScoreWaves {
  readonly cosines: ArrayLike<number>
  readonly sines: ArrayLike<number>
}

/**
 * The waves that one query and one key vector make: their score at distance s (query position minus
 * key position) is `scoreAtDistances(waves, frequencies, [s])`, wherever the two stand.
 *
 * @param query - The unrotated query head, at least `rotaryDim` elements; the rest does not turn and
 *   is left out.
 * @param key - The unrotated key head.
 * @throws RangeError when a vector is shorter than `rotaryDim`.
 *
 * @example
 * ```ts
 * import { ropeFrequencies, scoreAtDistances, scoreWaves } from '@attn/positions'
 * const rotary = ropeFrequencies({ headDim: 4 })
 * const waves = scoreWaves([1, 1, 1, 1], [1, 1, 1, 1], rotary)
 * Array.from(waves.cosines) // => [2, 2]
 * scoreAtDistances(waves, rotary.inverseFrequencies, [0])[0] // => 4
 * ```
 */
export function scoreWaves(
  query: ArrayLike<number>,
  key: ArrayLike<number>,
  rotary: RotaryEmbedding,
): ScoreWaves {
  checkRotary('scoreWaves', rotary)
  const { rotaryDim, layout, attentionFactor } = rotary
  if (query.length < rotaryDim || key.length < rotaryDim) {
    throw shapeError(
      `scoreWaves: query and key need at least rotaryDim = ${rotaryDim} elements, got ${query.length} and ${key.length}`,
    )
  }
  const cosines = new Float64Array(rotaryDim / 2)
  const sines = new Float64Array(rotaryDim / 2)
  for (let pair = 0; pair < rotaryDim / 2; pair++) {
    const [first, second] = pairElements(layout, rotaryDim, pair)
    const [x, y] = [query[first]!, query[second]!]
    const [u, v] = [key[first]!, key[second]!]
    cosines[pair] = attentionFactor ** 2 * (x * u + y * v)
    sines[pair] = attentionFactor ** 2 * (x * v - y * u)
  }
  return { cosines, sines }
}

/**
 * The sum of waves at each distance; distances may be fractional or negative.
 *
 * @param inverseFrequencies - One frequency a pair, in radians per position.
 * @throws RangeError when waves and frequencies differ in number.
 *
 * @example
 * ```ts
 * import { scoreAtDistances } from '@attn/positions'
 * const waves = { cosines: [2, 1], sines: [0, 0] }
 * Array.from(scoreAtDistances(waves, [Math.PI, 0], [0, 1])) // => [3, -1]
 * ```
 */
export function scoreAtDistances(
  waves: ScoreWaves,
  inverseFrequencies: ArrayLike<number>,
  distances: ArrayLike<number>,
): Float64Array<ArrayBuffer> {
  const { cosines, sines } = waves
  const pairs = inverseFrequencies.length
  if (cosines.length !== pairs || sines.length !== pairs) {
    throw shapeError(
      `scoreAtDistances: need ${pairs} cosines and sines, got ${cosines.length} and ${sines.length}`,
    )
  }
  return Float64Array.from(distances, (distance) => {
    let sum = 0
    for (let pair = 0; pair < pairs; pair++) {
      const angle = distance * inverseFrequencies[pair]!
      sum += cosines[pair]! * Math.cos(angle) + sines[pair]! * Math.sin(angle)
    }
    return sum
  })
}
