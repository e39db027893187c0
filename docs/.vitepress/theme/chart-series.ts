// What the charts of the benchmarks page draw: lines of figures by length.
import { methodNames, methods, type Configuration, type Figure } from './run-summary.ts'

export interface ChartPoint {
  readonly length: number
  readonly value: number
}

export interface ChartSeries {
  readonly label: string
  readonly color: 'orange' | 'blue' | 'green' | 'pink' | 'amber' | 'grey'
  readonly marker: 'circle' | 'square' | 'triangle' | 'diamond'
  /** Drawn dashed with hollow marks. */
  readonly second: boolean
  readonly points: readonly ChartPoint[]
}

const looks = {
  standard: { color: 'orange', marker: 'square' },
  flash: { color: 'blue', marker: 'circle' },
  windowFlash: { color: 'green', marker: 'triangle' },
} as const

/** A line for each method and configuration in which anything was measured. */
export function seriesOf(
  configurations: readonly Pick<Configuration, 'flags' | 'rows'>[],
  valueOf: (figure: Figure) => number,
): ChartSeries[] {
  return configurations.flatMap(({ flags, rows }, index) =>
    methods
      .map((method) => ({
        label: [methodNames[method], flags].filter(Boolean).join(', '),
        ...looks[method],
        second: index > 0,
        points: rows.flatMap(({ length, cells }) => {
          const cell = cells[method]
          return cell.status === 'measured' ? [{ length, value: valueOf(cell) }] : []
        }),
      }))
      .filter(({ points }) => points.length > 0),
  )
}
