// What `attn positions` found out: what position methods add to the time of causal attention.
import type { PositionMethod } from '../../../packages/bench/src/positions/problem.ts'
import {
  formatBytes,
  formatLength,
  threeDigits,
} from '../../../packages/bench/src/report/format.ts'
import type {
  PositionOutcome,
  PositionsReport,
} from '../../../packages/bench/src/report/positions-report.ts'
import { describeDevice, flagsSentence } from './benchmark-setting.ts'
import type { ChartSeries } from '@attn/components/chart'
import { notesOf, type ReportParts } from './report-view.ts'

const looks = {
  none: { label: 'none', color: 'grey', marker: 'circle' },
  sinusoidal: { label: 'sinusoidal', color: 'blue', marker: 'square' },
  rope: { label: 'RoPE', color: 'green', marker: 'triangle' },
  t5: { label: 'T5 bias', color: 'orange', marker: 'diamond' },
  alibi: { label: 'ALiBi', color: 'pink', marker: 'circle' },
  kerple: { label: 'KERPLE', color: 'amber', marker: 'square' },
} as const satisfies Record<PositionMethod, object>

const positionMethods = Object.keys(looks) as PositionMethod[]

export function viewPositions(name: string, report: PositionsReport): ReportParts {
  const { created, environment, device, problem } = report
  const { batch, heads, headDim, dtype } = problem
  const outcomes = report.results.flatMap(({ length, outcomes: found }) =>
    positionMethods.flatMap((method) => {
      // A report of some methods only lacks the others.
      const outcome: PositionOutcome | undefined = found[method]
      return outcome ? [{ length, method, outcome }] : []
    }),
  )
  const series = (valueOf: (outcome: PositionOutcome) => number): ChartSeries[] =>
    positionMethods
      .map((method) => ({
        ...looks[method],
        second: false,
        points: outcomes
          .filter((each) => each.method === method)
          .map(({ length, outcome }) => ({ length, value: valueOf(outcome) })),
      }))
      .filter(({ points }) => points.length > 0)
  const added = series(({ overhead }) => 100 * overhead)
  return {
    name,
    title: 'Positions',
    created,
    environment,
    devices: [describeDevice(device)],
    paragraphs: [
      `What position methods add to causal attention. ${dtype}, batch ${batch}, ${heads} heads of dim ${headDim}; ` +
        `a method's own work is part of its time.${flagsSentence(device)}`,
    ],
    charts: [
      { heading: 'Time', unit: 'milliseconds', series: series(({ time }) => time.median) },
      {
        heading: 'Time added to no positions',
        unit: 'percent',
        series: added.filter(({ label }) => label !== looks.none.label),
      },
      {
        heading: 'Tokens per second',
        unit: 'tokens',
        series: series((each) => each.tokensPerSecond),
      },
    ],
    table: {
      caption: 'Positions',
      columns: [
        'length',
        'positions',
        'ms',
        'tokens/s',
        'vs none',
        'memory beside inputs and output',
      ],
      groups: [
        {
          title: '',
          rows: outcomes.map(({ length, method, outcome }) => [
            formatLength(length),
            looks[method].label,
            threeDigits(outcome.time.median),
            `${threeDigits(outcome.tokensPerSecond / 1000)}k`,
            method === 'none'
              ? ''
              : `${outcome.overhead < 0 ? '' : '+'}${(100 * outcome.overhead).toFixed(1)} %`,
            formatBytes(outcome.memoryBytes),
          ]),
        },
      ],
    },
    notes: notesOf(outcomes.map(({ outcome }) => outcome)),
  }
}
