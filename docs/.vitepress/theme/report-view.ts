// A report of any command but `attn run` as the benchmarks page shows it.
import type { Origin } from './benchmark-setting.ts'
import type { Bars, ChartSeries } from '@attn/components/chart'

export interface ChartView {
  readonly heading: string
  readonly unit: 'milliseconds' | 'percent' | 'tokens' | 'ratio' | 'nats'
  /** What the axis across counts; steps lie at even distances. Default: `length`. */
  readonly axis?: 'length' | 'step'
  readonly series: readonly ChartSeries[]
}

export interface TableView {
  readonly caption: string
  readonly columns: readonly string[]
  readonly groups: readonly TableGroup[]
}

export interface TableGroup {
  /** A line above its rows; none where it is empty. */
  readonly title: string
  readonly rows: readonly (readonly string[])[]
}

export interface ReportView extends Origin {
  /** Place of its command on the page. */
  readonly rank: number
  /** What the reports of its command are about, a heading. */
  readonly section: string
  /** Of the file, without its ending. */
  readonly name: string
  readonly paragraphs: readonly string[]
  readonly charts: readonly ChartView[]
  readonly bars?: readonly Bars[]
  readonly table: TableView
  readonly notes: string
}

/** What a command's own view says of its report. */
export type ReportParts = Omit<ReportView, 'rank' | 'section'>

/** The charts of a report whose lines would be points, since all of it is of one length, as bars. */
export function barsOfPoints(
  charts: readonly ChartView[],
  textOf: (value: number) => string,
): Bars[] {
  return charts.map(({ heading, unit, series }) => ({
    heading,
    unit,
    bars: series
      .flatMap(({ label, color, second, points }) =>
        points.map(({ value }) => ({ label, color, second, value, text: textOf(value) })),
      )
      .toSorted((left, right) => right.value - left.value),
  }))
}

interface Timed {
  readonly time: {
    readonly minimum: number
    readonly maximum: number
    readonly samples: readonly number[]
  }
  readonly verification: {
    readonly error: number
    readonly allowedError: number
    readonly passed: boolean
  }
}

/** How steady the times are and how exact the results. */
export function notesOf(figures: readonly Timed[]): string {
  const counts = figures.map(({ time }) => time.samples.length)
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)]
  const spread = Math.max(...figures.map(({ time }) => time.maximum / time.minimum - 1))
  const [worst] = figures
    .map(({ verification }) => verification)
    .toSorted((left, right) => right.error / right.allowedError - left.error / left.allowedError)
  if (!worst || !Number.isFinite(spread)) throw new TypeError('notesOf: the report has no figures')
  const wrong = figures.filter(({ verification }) => !verification.passed).length
  return (
    `Medians of ${fewest === most ? most : `${fewest} to ${most}`} samples; the slowest sample of a ` +
    `figure took at most ${(100 * spread).toPrecision(2)} % longer than its fastest. Largest error ` +
    `against the float64 reference: ${worst.error.toExponential(1)} of ` +
    `${worst.allowedError.toExponential(1)} allowed${wrong > 0 ? `; ${wrong} figures WRONG` : ''}.`
  )
}
