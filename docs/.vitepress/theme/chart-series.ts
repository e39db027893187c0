// What the charts of the benchmarks page draw: lines of figures by length.
import type { ChartSeries } from '@attn/components/chart'
import { methodNames, methods, type Configuration, type Figure } from './run-summary.ts'

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
