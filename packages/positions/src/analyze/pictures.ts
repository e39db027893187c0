// The pictures that explain extrapolation: what rotary scores do past the training length, which
// pairs are to blame, and what the biases look like.
import { checkOptions, compile, toFloat64Array } from '@attn/core'
import type { Mask, OptionNames, RotaryEmbedding, ScoreModifier } from '@attn/core'
import { heatMap } from '../plot/heat-map.ts'
import { linePlot } from '../plot/line-plot.ts'
import type { PlotTheme } from '../plot/svg.ts'
import { biasMatrix } from './bias-matrix.ts'
import type { Extrapolation, ExtrapolationExperiment } from './extrapolation.ts'
import { scoreAtDistances } from './rotary-score.ts'
import type { ScoreWaves } from './rotary-score.ts'
import { rotaryScoreBound } from './score-bound.ts'
import { wavelengths } from './wavelengths.ts'

/** What every picture takes. */
export interface PictureOptions {
  /** Default: `auto`: the reader's preference. */
  readonly theme?: PlotTheme | undefined
}

const pictureOptions: OptionNames<PictureOptions> = { theme: true }

const range = (from: number, to: number, step = 1): Float64Array<ArrayBuffer> =>
  Float64Array.from(
    { length: Math.floor((to - from) / step) + 1 },
    (_, index) => from + index * step,
  )

/**
 * Figure 2 of the Position Interpolation paper (arXiv 2306.15595): the fit inside the training
 * length, its blow-up outside, and how smooth it is between whole positions, where interpolation
 * puts them.
 *
 * @returns SVG text with three panels.
 *
 * @example
 * ```ts
 * import { extrapolationExperiment, plotExtrapolation } from '@attn/positions'
 * const experiment = extrapolationExperiment({ headDim: 32, trainedLength: 64 })
 * plotExtrapolation(experiment, experiment.run(1e-4)).includes('</svg>') // => true
 * ```
 */
export function plotExtrapolation(
  experiment: ExtrapolationExperiment,
  result: Extrapolation,
  options: PictureOptions = {},
): string {
  checkOptions('plotExtrapolation', options, pictureOptions)
  const { trainedLength, factor, inverseFrequencies, headDim } = experiment
  const { waves, scores, inside, outside } = result
  const at = (distances: Float64Array) => scoreAtDistances(waves, inverseFrequencies, distances)
  const seen = range(0, trainedLength - 1)
  const all = range(0, Math.floor(trainedLength * factor) - 1)
  const zoomFrom = Math.floor(trainedLength / 80)
  const zoomTo = Math.min(zoomFrom + 50, trainedLength - 1)
  const whole = range(zoomFrom, zoomTo)
  const between = range(zoomFrom, zoomTo, 0.125)
  const axes = { xLabel: 'distance s', yLabel: 'score a(s)' }
  return linePlot({
    title: `Rotary scores inside and outside of L = ${trainedLength} (d = ${headDim})`,
    description: `Waves fitted to random scores reach ${inside.toPrecision(2)} inside the training length and ${outside.toPrecision(2)} outside; between whole positions they are smooth.`,
    panels: [
      {
        ...axes,
        title: 'inside: the fit is bounded',
        yRange: [-3, 3],
        series: [
          { label: 'random scores', x: seen, y: scores, draw: 'points' },
          { label: 'fitted waves', x: seen, y: at(seen) },
        ],
      },
      {
        ...axes,
        title: 'outside: the same waves',
        series: [{ label: 'fitted waves', x: all, y: at(all) }],
        marks: [{ x: trainedLength, label: 'L' }],
      },
      {
        ...axes,
        title: 'between positions, in steps of 1/8',
        series: [
          { label: 'fitted waves', x: between, y: at(between) },
          { label: 'whole positions', x: whole, y: at(whole), draw: 'points' },
        ],
      },
    ],
    ...options,
  })
}

/**
 * RoFormer's bound B(s) / d against distance: figure 5 of the Position Interpolation paper.
 *
 * @param headDim - d.
 * @returns SVG text.
 *
 * @example
 * ```ts
 * import { plotScoreBound, ropeFrequencies } from '@attn/positions'
 * const { inverseFrequencies } = ropeFrequencies({ headDim: 8 })
 * plotScoreBound(inverseFrequencies, 8, 64).startsWith('<svg') // => true
 * ```
 */
export function plotScoreBound(
  inverseFrequencies: ArrayLike<number>,
  headDim: number,
  length: number,
  options: PictureOptions = {},
): string {
  checkOptions('plotScoreBound', options, pictureOptions)
  const distances = range(0, length - 1)
  const bound = rotaryScoreBound(inverseFrequencies, distances).map((value) => value / headDim)
  return linePlot({
    title: 'How large a rotary score may be',
    description: `The bound B(s) / d falls unevenly from ${bound[0]!.toFixed(2)} to ${Math.min(...bound).toFixed(2)} and never below 1.`,
    panels: [
      {
        xLabel: 'distance s',
        yLabel: 'B(s) / d',
        yScale: 'log',
        series: [{ x: distances, y: bound }],
        marks: [{ y: 1, label: '1' }],
        yRange: [0.8, Math.max(...bound) * 1.2],
      },
    ],
    ...options,
  })
}

/** One curve of {@link plotRotaryScores}. */
export interface RotaryScoreCurve {
  readonly label: string
  readonly waves: ScoreWaves
  readonly inverseFrequencies: ArrayLike<number>
}

/**
 * Rotary scores as a function of distance, with the training length marked.
 *
 * @returns SVG text.
 *
 * @example
 * ```ts
 * import { plotRotaryScores, ropeFrequencies, scoreWaves } from '@attn/positions'
 * const rotary = ropeFrequencies({ headDim: 4 })
 * const { inverseFrequencies } = rotary
 * const waves = scoreWaves([1, 1, 1, 1], [1, 1, 1, 1], rotary)
 * const curves = [{ label: 'ones', waves, inverseFrequencies }]
 * plotRotaryScores(curves, { length: 64, trainedLength: 32 }).startsWith('<svg') // => true
 * ```
 */
export function plotRotaryScores(
  curves: readonly RotaryScoreCurve[],
  sizes: { readonly length: number; readonly trainedLength: number },
  options: PictureOptions = {},
): string {
  checkOptions('plotRotaryScores', options, pictureOptions)
  const distances = range(0, sizes.length - 1)
  return linePlot({
    title: 'Rotary score against distance',
    description: `Scores of ${curves.map(({ label }) => label).join(', ')} up to distance ${sizes.length}.`,
    panels: [
      {
        xLabel: 'distance s',
        yLabel: 'score a(s)',
        series: curves.map(({ label, waves, inverseFrequencies }) => ({
          label,
          x: distances,
          y: scoreAtDistances(waves, inverseFrequencies, distances),
        })),
        marks: [{ x: sizes.trainedLength, label: 'L' }],
      },
    ],
    ...options,
  })
}

/**
 * Wavelengths of rotary pairs on a logarithmic axis against a length: pairs above the line never
 * complete a turn inside it. Several embeddings show what a length extension does to each pair.
 *
 * @returns SVG text.
 *
 * @example
 * ```ts
 * import { plotWavelengths, ropeFrequencies } from '@attn/positions'
 * const rotary = ropeFrequencies({ headDim: 8 })
 * plotWavelengths([{ label: 'RoPE', rotary }], 128).startsWith('<svg') // => true
 * ```
 */
export function plotWavelengths(
  rotaries: readonly { readonly label: string; readonly rotary: RotaryEmbedding }[],
  length: number,
  options: PictureOptions = {},
): string {
  checkOptions('plotWavelengths', options, pictureOptions)
  const tables = rotaries.map(({ label, rotary }) => ({
    label,
    table: wavelengths(rotary, length),
  }))
  const [first] = tables
  const unfinished = first?.table.filter(({ completesTurn }) => !completesTurn).length ?? 0
  return linePlot({
    title: 'Which rotary pairs complete a turn?',
    description: `${unfinished} of ${first?.table.length ?? 0} pairs of ${first?.label ?? 'none'} never complete a turn inside ${length} positions.`,
    panels: [
      {
        xLabel: 'pair j',
        yLabel: 'wavelength in positions',
        yScale: 'log',
        series: tables.map(({ label, table }, index) => ({
          label,
          x: table.map(({ pair }) => pair),
          y: table.map(({ wavelength }) => wavelength),
          draw: index === 0 ? 'line' : 'dashes',
        })),
        marks: [{ y: length, label: `L = ${length}` }],
      },
    ],
    ...options,
  })
}

/** What {@link plotBias} draws. */
export interface BiasPictureOptions extends PictureOptions {
  /** H, which the modifier was made for. */
  readonly heads: number
  /** Which heads to draw. Default: the first four. */
  readonly show?: readonly number[] | undefined
  /** Positions along each side. Default: 32. */
  readonly length?: number | undefined
  /** Hides pairs, such as the causal mask. Default: none. */
  readonly mask?: Mask | undefined
}

const biasPictureOptions: OptionNames<BiasPictureOptions> = {
  ...pictureOptions,
  heads: true,
  show: true,
  length: true,
  mask: true,
}

/**
 * A bias as pictures, one matrix a head: queries down, keys across.
 *
 * @returns SVG text.
 *
 * @example
 * ```ts
 * import { mask } from '@attn/core'
 * import { alibi, plotBias } from '@attn/positions'
 * const causal = mask('causal', ({ query, key }) => key.le(query))
 * const svg = plotBias(alibi({ heads: 8 }), { heads: 8, mask: causal })
 * svg.includes('head 4 of 8') // => true
 * ```
 */
export function plotBias(modifier: ScoreModifier, options: BiasPictureOptions): string {
  checkOptions('plotBias', options, biasPictureOptions)
  const { heads, length = 32, mask } = options
  const { show = Array.from({ length: Math.min(heads, 4) }, (_, head) => head) } = options
  const values = toFloat64Array(biasMatrix(modifier, { heads, queryLength: length }))
  const allows = mask && compile(mask.expression)
  const sizes = { batch: 0, heads, queryLength: length, keyLength: length }
  return heatMap({
    title: `${modifier.name}: what is added to the scores`,
    description: `The bias of ${modifier.name} for ${show.length} of ${heads} heads, queries down and keys across.`,
    xLabel: 'key',
    yLabel: 'query',
    valueLabel: 'bias',
    panels: show.map((head) => ({
      title: `head ${head + 1} of ${heads}`,
      rows: length,
      columns: length,
      values: values
        .subarray(head * length * length, (head + 1) * length * length)
        .map((value, index) => {
          const query = Math.floor(index / length)
          const point = { ...sizes, head, query, queryIndex: query, key: index % length }
          return !allows || allows(point) ? value : -Infinity
        }),
    })),
    ...(options.theme ? { theme: options.theme } : {}),
  })
}
