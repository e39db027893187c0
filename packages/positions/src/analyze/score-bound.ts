// How large can a score get? Two bounds for the same amplitudes h_j: RoFormer's for any distance
// (arXiv 2104.09864, section 3.4.3), and Position Interpolation's for distances between two whole
// ones that training has seen (arXiv 2306.15595, theorem 2.1).
import { checkEven, checkPositive } from '../check-size.ts'

/**
 * RoFormer's B(s) = sum over k of |sum over j <= k of exp(i s theta_j)|: scores are at most
 * max |h_(j+1) - h_j| B(s), which is at most 2 max |h_j| B(s). It falls with distance, though
 * not evenly, and at the paper's setting (d = 128) never below d.
 *
 * @example
 * ```ts
 * import { ropeFrequencies, rotaryScoreBound } from '@attn/positions'
 * const { inverseFrequencies } = ropeFrequencies({ headDim: 128 })
 * rotaryScoreBound(inverseFrequencies, [0])[0] / 128 // => 16.25
 * ```
 */
export function rotaryScoreBound(
  inverseFrequencies: ArrayLike<number>,
  distances: ArrayLike<number>,
): Float64Array<ArrayBuffer> {
  return Float64Array.from(distances, (distance) => {
    let [real, imaginary, bound] = [0, 0, 0]
    for (let pair = 0; pair < inverseFrequencies.length; pair++) {
      real += Math.cos(distance * inverseFrequencies[pair]!)
      imaginary += Math.sin(distance * inverseFrequencies[pair]!)
      bound += Math.hypot(real, imaginary)
    }
    return bound
  })
}

/**
 * Position Interpolation's bound, per max |h_j|: between whole distances the score differs from the
 * straight line through its neighbours by at most d / (32 ln base).
 *
 * The paper's "about 600 times smaller" is `2 B(s) / interpolationBound` with B(s) >= d. It compares
 * unlike things: a bound on the difference from a line here, on the score itself there.
 *
 * @throws RangeError when headDim is odd or base is not above 1.
 *
 * @example
 * ```ts
 * import { interpolationBound } from '@attn/positions'
 * ((2 * 128) / interpolationBound(128, 10000)).toFixed(0) // => '589'
 * ```
 */
export function interpolationBound(headDim: number, base = 10000): number {
  checkEven('interpolationBound', 'headDim', headDim)
  checkPositive('interpolationBound', 'base - 1', base - 1)
  return headDim / (32 * Math.log(base))
}
