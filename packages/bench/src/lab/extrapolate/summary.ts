// A report of `extrapolate` as tables of text.
import { formatTable } from '../../report/table.ts'
import { formatSeconds } from '../../report/time-left.ts'
import { median } from '../../measure/statistics.ts'
import { positionMethodTitles } from '../positions/methods.ts'
import { extrapolationClaims, reachOf } from './claims.ts'
import type { ExtrapolationModel, ExtrapolationReport } from './report.ts'
import { spreads } from './report.ts'
import { scalingNames, scalingTitles } from './scalings.ts'

/** The lines before training. */
export function formatExtrapolationHeader({
  plan,
  text,
  device,
}: Pick<ExtrapolationReport, 'plan' | 'device'> & {
  readonly text: { readonly name: string; readonly training: number; readonly vocabulary: number }
}): string {
  const { layers, width, heads, length, batch, steps } = plan.configuration
  return [
    `${text.name}: ${text.training} characters of ${text.vocabulary} kinds to learn, the last tenth held out`,
    `${layers} layers of width ${width}, ${heads} heads, L = ${length}, ${steps} steps of ${batch} x ${length} characters, ` +
      `seeds ${plan.seeds.join(', ')}`,
    device,
  ].join('\n')
}

/** The report for people. */
export function formatExtrapolation(report: ExtrapolationReport): string {
  const { plan, lengths, models, scaling } = report
  const methods = plan.methods.map((method) => ({
    title: positionMethodTitles[method],
    method,
    models: models.filter((model) => model.method === method),
  }))
  const tableOf = (
    heading: string,
    first: string,
    rows: readonly { readonly title: string; readonly lists: readonly (readonly number[])[] }[],
    columns: readonly string[],
    last?: { readonly title: string; readonly cells: readonly string[] },
  ): string => {
    const table = formatTable(
      [
        { group: '', title: first },
        ...columns.map((title) => ({ group: heading, title })),
        ...(last ? [{ group: '', title: last.title }] : []),
      ],
      rows.map(({ title, lists }, index) => [
        title,
        ...spreads(lists).map(({ mean }) => mean.toFixed(2)),
        ...(last ? [last.cells[index]!] : []),
      ]),
    )
    return table
  }
  const of = (read: (model: ExtrapolationModel) => readonly number[]) =>
    methods.map((method) => ({ title: method.title, lists: method.models.map(read) }))
  const columns = lengths.map(String)
  const seeds = plan.seeds.length === 1 ? 'one seed' : `mean of ${plan.seeds.length} seeds`
  const parts = [
    tableOf(
      `perplexity by length, ${seeds}`,
      'positions',
      of((m) => m.perplexities),
      columns,
      {
        title: 'within 5 % to',
        cells: methods.map(({ method }) => `${reachOf(report, method)} L`),
      },
    ),
  ]
  if (plan.window) {
    const heading = `perplexity where queries see the last ${plan.configuration.length} keys`
    parts.push(
      tableOf(
        heading,
        'positions',
        of((m) => m.windowed),
        columns,
      ),
    )
  }
  if (plan.slidingMultiples.length > 0) {
    const at = plan.slidingMultiples.map((multiple) =>
      String(Math.round(multiple * plan.configuration.length)),
    )
    const heading = 'perplexity of the last token of sliding windows'
    parts.push(
      tableOf(
        heading,
        'positions',
        of((m) => m.sliding),
        at,
      ),
    )
  }
  if (scaling.length > 0) {
    const rows = scalingNames.map((name) => ({
      title: scalingTitles[name],
      lists: scaling.filter((each) => each.name === name).map((each) => each.perplexities),
    }))
    parts.push(tableOf('RoPE extended to the length, not trained further', 'how', rows, columns))
  }
  parts.push(...formatFineTuning(report), ...formatEnd(report))
  return parts.join('\n\n')
}

function formatFineTuning({ fineTuning, plan }: ExtrapolationReport): string[] {
  return (fineTuning[0]?.lengths ?? []).map((length, place) => {
    const rows = (['direct', 'interpolation'] as const).map((name) => {
      const curves = fineTuning.filter((curve) => curve.name === name)
      const means = plan.fineTuning.map((_, checkpoint) => {
        const values = curves.map(({ perplexities }) => perplexities[checkpoint]![place]!)
        return values.reduce((sum, value) => sum + value, 0) / values.length
      })
      return [name, ...means.map((mean) => mean.toFixed(2))]
    })
    const group = `RoPE fine-tuned at ${fineTuning[0]!.lengths[0]}: perplexity at ${length} by step`
    return formatTable(
      [
        { group: '', title: 'positions' },
        ...plan.fineTuning.map((step) => ({ group, title: String(step) })),
      ],
      rows,
    )
  })
}

function formatEnd(report: ExtrapolationReport): string[] {
  const { models, seconds } = report
  const claims = extrapolationClaims(report).map(
    ({ claim, holds, found }) => `${holds ? 'yes' : 'NO '}  ${claim} (${found})`,
  )
  const step = median(models.map(({ stepMilliseconds }) => stepMilliseconds))
  return [
    ...(claims.length > 0 ? [`in every seed?\n${claims.join('\n')}`] : []),
    `${formatSeconds(seconds)} in this session, ${step.toFixed(0)} ms a step`,
  ]
}
