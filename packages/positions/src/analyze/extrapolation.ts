// The experiment of the Position Interpolation paper (arXiv 2306.15595, figure 2): fit random scores
// inside the training length, then look at the same waves outside, and again with positions
// squeezed back inside.
import { checkOptions } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { baseFrequencies } from '../rope/base-frequencies.ts'
import { normalNumbers } from './random.ts'
import { scoreAtDistances } from './rotary-score.ts'
import type { ScoreWaves } from './rotary-score.ts'
import { scoreFit } from './score-fit.ts'
import type { ScoreFit } from './score-fit.ts'
import { checkEven, checkPositive, checkPositiveInteger } from '../check-size.ts'

/** The setting; its defaults are the paper's. */
export interface ExtrapolationOptions {
  /** d. Default: 128. */
  readonly headDim?: number | undefined
  /** L. Default: 2048. */
  readonly trainedLength?: number | undefined
  /** Default: 10000. */
  readonly base?: number | undefined
  /** L' / L. Default: 2. */
  readonly factor?: number | undefined
}

/** What one fit does inside and outside. */
export interface Extrapolation {
  readonly waves: ScoreWaves
  /** The random scores that were fitted, one for each distance 0 .. L - 1. */
  readonly scores: Float64Array<ArrayBuffer>
  /** Largest |a(s)| at whole distances 0 <= s < L. */
  readonly inside: number
  /** Largest |a(s)| at whole distances L <= s < L'. */
  readonly outside: number
  /** Largest |a(s L / L')| at whole distances 0 <= s < L': Position Interpolation. */
  readonly interpolated: number
}

/** A prepared experiment. */
export interface ExtrapolationExperiment {
  /** d. */
  readonly headDim: number
  /** L. */
  readonly trainedLength: number
  /** Of the frequencies. */
  readonly base: number
  /** L' / L. */
  readonly factor: number
  readonly inverseFrequencies: Float64Array<ArrayBuffer>
  /** Singular values of the matrix of waves, largest first. */
  readonly singularValues: ScoreFit['singularValues']
  /**
   * Fits scores drawn from the standard normal distribution.
   *
   * @param ridge - Penalty on the amplitudes. Small: wild outside. From about 1 on: tame.
   * @param seed - Which scores. Default: 1.
   */
  readonly run: (ridge: number, seed?: number) => Extrapolation
}

const extrapolationOptions: OptionNames<ExtrapolationOptions> = {
  headDim: true,
  trainedLength: true,
  base: true,
  factor: true,
}

/**
 * Prepares the experiment; each `run` is then cheap enough for a slider.
 *
 * @throws RangeError when a size is out of range.
 *
 * @example
 * ```ts
 * import { extrapolationExperiment } from '@attn/positions'
 * const { run } = extrapolationExperiment({ headDim: 32, trainedLength: 64 })
 * const wild = run(1e-6)
 * const tame = run(1)
 * wild.outside / wild.inside > 10 // => true
 * tame.outside / tame.inside < 3 // => true
 * wild.interpolated / wild.inside < 1.5 // => true
 * ```
 */
export function extrapolationExperiment(
  options: ExtrapolationOptions = {},
): ExtrapolationExperiment {
  checkOptions('extrapolationExperiment', options, extrapolationOptions)
  const { headDim = 128, trainedLength = 2048, base = 10000, factor = 2 } = options
  checkEven('extrapolationExperiment', 'headDim', headDim)
  checkPositiveInteger('extrapolationExperiment', 'trainedLength', trainedLength)
  checkPositive('extrapolationExperiment', 'factor', factor)
  const inverseFrequencies = baseFrequencies(base, headDim)
  const { singularValues, fit } = scoreFit({ inverseFrequencies, length: trainedLength })
  const reached = Math.floor(trainedLength * factor)
  const all = Float64Array.from({ length: reached }, (_, distance) => distance)

  return {
    headDim,
    trainedLength,
    base,
    factor,
    inverseFrequencies,
    singularValues,
    run: (ridge, seed = 1) => {
      const scores = normalNumbers(seed, trainedLength)
      const waves = fit(scores, ridge)
      const curve = scoreAtDistances(waves, inverseFrequencies, all)
      const squeezed = scoreAtDistances(
        waves,
        inverseFrequencies,
        all.map((distance) => distance / factor),
      )
      return {
        waves,
        scores,
        inside: largest(curve.subarray(0, trainedLength)),
        outside: largest(curve.subarray(trainedLength)),
        interpolated: largest(squeezed),
      }
    },
  }
}

function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
}
