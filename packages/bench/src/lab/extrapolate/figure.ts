// A report of `extrapolate` as a picture: the lecture's figure, and what explains and repairs it.
import { drawFigure } from '../../chart/figure.ts'
import type { LinePanel, Series } from '../../chart/panel.ts'
import { positionMethodTitles } from '../positions/methods.ts'
import type { ExtrapolationModel, ExtrapolationReport } from './report.ts'
import { spreads } from './report.ts'
import { scalingNames, scalingTitles } from './scalings.ts'

/** Draws a report as an SVG document. */
export function drawExtrapolation(report: ExtrapolationReport): string {
  const { plan, text, scaling } = report
  const { length } = plan.configuration
  const seeds = plan.seeds.length === 1 ? 'one seed' : `${plan.seeds.length} seeds`
  return drawFigure({
    title: `Trained at L = ${length}, read at longer lengths: ${text.name}, ${seeds}`,
    description:
      'Perplexity of small decoders with each position method by the length of evaluation, the loss by place in the window, and what windows, scaling and fine-tuning change.',
    methods: plan.methods.map((method) => positionMethodTitles[method]),
    panels: [
      byLength(report, 'perplexity by length', (model) => model.perplexities),
      byPlace(report),
      ...(plan.window
        ? [byLength(report, `each query sees the last ${length} keys`, (model) => model.windowed)]
        : []),
      ...(scaling.length > 0 ? [scalingPanel(report)] : []),
      ...(report.fineTuning.length > 0 ? [fineTuningPanel(report)] : []),
    ],
  })
}

/** Mean and range of lists of one length over xs. */
function curve(
  label: string,
  xs: readonly number[],
  lists: readonly (readonly number[])[],
): Series {
  const found = spreads(lists)
  return {
    label,
    points: xs.map((x, place) => [x, found[place]!.mean] as const),
    ...(lists.length > 1
      ? { band: xs.map((x, place) => [x, found[place]!.low, found[place]!.high] as const) }
      : {}),
  }
}

function methodCurves(
  { plan, models }: ExtrapolationReport,
  xs: readonly number[],
  read: (model: ExtrapolationModel) => readonly number[],
): Series[] {
  return plan.methods.map((method) =>
    curve(
      positionMethodTitles[method],
      xs,
      models.filter((model) => model.method === method).map(read),
    ),
  )
}

const axes = { kind: 'lines', xLabel: 'length', yLabel: 'perplexity', yScale: 'log' } as const

function byLength(
  report: ExtrapolationReport,
  title: string,
  read: (model: ExtrapolationModel) => readonly number[],
): LinePanel {
  const series = methodCurves(report, report.lengths, read)
  return { ...axes, title, xScale: 'length', series }
}

function byPlace(report: ExtrapolationReport): LinePanel {
  const { plan, models, lengths } = report
  const bucket = Math.max(...lengths) / models[0]!.byPlace.length
  const xs = models[0]!.byPlace.map((_, place) => (place + 0.5) * bucket)
  return {
    ...axes,
    title: `loss by place in windows of ${Math.max(...lengths)}`,
    xLabel: 'place in the window',
    yLabel: 'nats a character',
    xScale: 'linear',
    yScale: 'linear',
    marks: [{ x: plan.configuration.length, label: 'L' }],
    series: methodCurves(report, xs, ({ byPlace: losses }) => losses),
  }
}

function scalingPanel({ scaling, lengths }: ExtrapolationReport): LinePanel {
  const series = scalingNames.map((name) => {
    const lists = scaling.filter((each) => each.name === name)
    const line = curve(
      `RoPE: ${scalingTitles[name]}`,
      lengths,
      lists.map(({ perplexities }) => perplexities),
    )
    // What is not extended is the RoPE of the other panels.
    return name === 'direct' ? { ...line, method: positionMethodTitles.rope } : line
  })
  return { ...axes, title: 'RoPE extended, not trained further', xScale: 'length', series }
}

function fineTuningPanel({ fineTuning, plan }: ExtrapolationReport): LinePanel {
  const [longer] = fineTuning[0]!.lengths
  return {
    ...axes,
    title: `RoPE fine-tuned at ${longer}`,
    xLabel: 'steps',
    xScale: 'linear',
    series: (['direct', 'interpolation'] as const).flatMap((name) =>
      fineTuning[0]!.lengths.map((length, place): Series => {
        const lists = fineTuning
          .filter((each) => each.name === name)
          .map(({ perplexities }) => perplexities.map((values) => values[place]!))
        const way = name === 'direct' ? 'direct' : 'interpolated'
        return {
          ...curve(`${way}, read at ${length}`, plan.fineTuning, lists),
          method: way,
          draw: place === 0 ? 'line' : 'dashes',
        }
      }),
    ),
  }
}
