// Which scores can d/2 waves take inside the training length, and what do they then do outside? The
// least-squares fit over 0 .. L - 1 (arXiv 2306.15595, section 2.2 and appendix C). The waves are so
// nearly dependent there (condition number about 1e17 at d = 128, L = 2048) that the answer outside
// is decided by rounding unless a ridge decides it: the paper's "8000" cannot be reproduced.
import { checkOptions, rangeError, shapeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { checkPositiveInteger } from '../check-size.ts'
import type { ScoreWaves } from './rotary-score.ts'
import { singularValues } from './singular-values.ts'

/** What is fitted: waves of these frequencies at distances 0 .. length - 1. */
export interface ScoreFitOptions {
  /** One frequency a pair, in radians per position, from `ropeFrequencies`. */
  readonly inverseFrequencies: ArrayLike<number>
  /** L: how many distances training has seen. At least one for each wave, two waves a pair. */
  readonly length: number
}

/** A decomposed fit: one costly step, then any scores and any ridge for little. */
export interface ScoreFit {
  /** Singular values of the matrix of waves, largest first: how well determined the fit is. */
  readonly singularValues: Float64Array<ArrayBuffer>
  /**
   * The waves that minimize sum (a(s) - scores[s])^2 + ridge * (sum of squared amplitudes).
   *
   * @param scores - One score for each distance 0 .. length - 1.
   * @param ridge - At least 0. With 0, only directions that are lost in rounding altogether are left
   *   out, as LAPACK's solvers do; what remains still has a condition number of 1e12.
   */
  readonly fit: (scores: ArrayLike<number>, ridge: number) => ScoreWaves
}

const scoreFitOptions: OptionNames<ScoreFitOptions> = { inverseFrequencies: true, length: true }

/**
 * Prepares least-squares fits of scores by rotary waves.
 *
 * @throws RangeError when there are fewer distances than waves.
 *
 * @example
 * ```ts
 * import { ropeFrequencies, scoreAtDistances, scoreFit } from '@attn/positions'
 * const { inverseFrequencies } = ropeFrequencies({ headDim: 8 })
 * const { fit } = scoreFit({ inverseFrequencies, length: 64 })
 * const target = Float64Array.from({ length: 64 }, (_, s) => Math.cos(s))
 * const waves = fit(target, 0)
 * scoreAtDistances(waves, inverseFrequencies, [100])[0].toFixed(6) // => '0.862319'
 * ```
 */
export function scoreFit(options: ScoreFitOptions): ScoreFit {
  checkOptions('scoreFit', options, scoreFitOptions)
  const { inverseFrequencies, length } = options
  checkPositiveInteger('scoreFit', 'length', length)
  const pairs = inverseFrequencies.length
  if (length < 2 * pairs) {
    throw rangeError(
      `scoreFit: need at least ${2 * pairs} distances for ${pairs} pairs, got length ${length}`,
    )
  }
  const column = (wave: (angle: number) => number, pair: number): Float64Array =>
    Float64Array.from({ length }, (_, distance) => wave(distance * inverseFrequencies[pair]!))
  const columns = [Math.cos, Math.sin].flatMap((wave) =>
    Array.from({ length: pairs }, (_, pair) => column(wave, pair)),
  )
  const { values, vectors, project } = singularValues(columns)
  const lost = values[0]! * length * Number.EPSILON
  return {
    singularValues: values,
    fit: (scores, ridge) => {
      if (scores.length !== length) {
        throw shapeError(`scoreFit: need ${length} scores, got ${scores.length}`)
      }
      if (!(ridge >= 0)) throw rangeError(`scoreFit: ridge must be at least 0, got ${ridge}`)
      const amplitudes = new Float64Array(2 * pairs)
      project(scores).forEach((projection, index) => {
        const value = values[index]!
        if (value <= lost) return
        const weight = (projection * value) / (value * value + ridge)
        vectors[index]!.forEach((component, row) => (amplitudes[row]! += weight * component))
      })
      return { cosines: amplitudes.slice(0, pairs), sines: amplitudes.slice(pairs) }
    },
  }
}
