// What `attn train` found out: the loss curve, and how far it is from that of dense attention.
import { threeDigits } from '../../../packages/bench/src/report/format.ts'
import {
  curveDifference,
  withinNoise,
  type TrainingRun,
  type TrainReport,
} from '../../../packages/bench/src/report/train-report.ts'
import { describeDevice, flagsSentence } from './benchmark-setting.ts'
import type { ChartSeries } from '@attn/components/chart'
import type { ReportParts } from './report-view.ts'

export function viewTraining(name: string, report: TrainReport): ReportParts {
  const { created, environment, device, configuration, text } = report
  const { run, comparison, firstStep, earlierLosses } = report
  const { layers, width, heads, context, batch, mask, positions } = configuration
  const curves = [
    { label: 'flash', color: 'blue', marker: 'circle', second: false, run },
    ...(comparison
      ? ([
          {
            label: 'dense',
            color: 'orange',
            marker: 'square',
            second: true,
            run: comparison.dense,
          },
        ] as const)
      : []),
  ] as const
  const series = (
    valuesOf: (run: TrainingRun) => readonly number[],
    before: readonly number[] = [],
  ): ChartSeries[] =>
    curves.map(({ run: each, ...look }) => ({
      ...look,
      points: [...(each === run ? before : []), ...valuesOf(each)].map((value, index) => ({
        length: firstStep - (each === run ? before.length : 0) + index + 1,
        value,
      })),
    }))
  return {
    name,
    title: `Training, ${mask} mask, attention in ${configuration.precision ?? 'float32'}`,
    created,
    environment,
    devices: [describeDevice(device)],
    paragraphs: [
      `A decoder of ${layers} layers of width ${width} with ${heads} heads learns ${text.name}, ` +
        `${batch} × ${context} characters a step, mask ${mask}, positions ${positions}. Attention, ` +
        `forward and backward, is this library's; dense attention is that of jax-js.${flagsSentence(device)}`,
    ],
    charts: [
      {
        heading: 'Loss, nats a character',
        unit: 'nats',
        axis: 'step',
        series: series(({ losses }) => losses, earlierLosses),
      },
      {
        heading: 'Time of a step',
        unit: 'milliseconds',
        axis: 'step',
        series: series(({ milliseconds }) => milliseconds),
      },
    ],
    table: {
      caption: 'Training',
      columns: ['attention', 'first loss', 'last loss', 'ms a step, median'],
      groups: [
        {
          title: '',
          rows: curves.map(({ label, run: { losses, milliseconds } }) => [
            label,
            losses[0]!.toFixed(4),
            losses.at(-1)!.toFixed(4),
            threeDigits(medianOf(milliseconds)),
          ]),
        },
      ],
    },
    notes: notesOn(report),
  }
}

function notesOn(report: TrainReport): string {
  return [stepApart(report), curvesApart(report)].filter((note) => note !== '').join(' ')
}

/** What attention takes of a step, where a GPU's clock said. */
function stepApart({ run: { attention, milliseconds } }: TrainReport): string {
  if (!attention) return ''
  const forward = medianOf(attention.map((times) => times.forward))
  const backward = medianOf(attention.map((times) => times.backward))
  const step = medianOf(milliseconds)
  return (
    `Of a step of ${threeDigits(step)} ms, attention takes ${threeDigits(forward)} ms forward and ` +
    `${threeDigits(backward)} ms backward on the GPU, ${threeDigits((100 * (forward + backward)) / step)} %; ` +
    'the rest is what lies between: jax-js, on GPU and processor.'
  )
}

function curvesApart({ run, comparison, ...report }: TrainReport): string {
  if (!comparison) return ''
  const apart = curveDifference(run, comparison.dense).largest
  const noise = curveDifference(comparison.dense, comparison.nudged).largest
  return (
    `The two curves are at most ${apart.toExponential(1)} nats apart; the dense one, begun one ` +
    `rounding away, is ${noise.toExponential(1)} from itself: ` +
    `${withinNoise({ ...report, run, comparison }) ? 'within noise' : 'BEYOND NOISE'}.`
  )
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
}
