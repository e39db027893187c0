// The times of `attn run` as a chart: length against milliseconds, solid as a browser runs it, dashed
// without Dawn's safety checks where that was measured.
import { methods } from '../suites/problem.ts'
import type { Method } from '../suites/problem.ts'
import { chartColors, drawLineCharts } from './line-chart.ts'
import type { ChartLine } from './line-chart.ts'
import type { RunReport } from './run-report.ts'

const series: Readonly<Record<Method, { readonly label: string; readonly color: string }>> = {
  standard: { label: 'standard', color: chartColors.vermilion },
  flash: { label: 'flash', color: chartColors.blue },
  windowFlash: { label: 'flash, window', color: chartColors.green },
}

/**
 * Draws a run as an SVG document.
 *
 * @throws RangeError when nothing in it was measured.
 */
export function drawChart({ configurations, problem }: RunReport): string {
  const lines = configurations.flatMap(({ device, results }, index) =>
    methods.map((method): ChartLine => {
      const { label, color } = series[method]
      return {
        label: index === 0 ? label : `${label}, ${device.flags?.name ?? 'other flags'}`,
        color,
        dashed: index > 0,
        points: results.flatMap(({ length, outcomes }) => {
          const outcome = outcomes[method]
          return outcome.status === 'measured' ? [[length, outcome.time.median] as const] : []
        }),
      }
    }),
  )
  const drawn = lines.filter(({ points }) => points.length > 0)
  if (drawn.length === 0) {
    throw new RangeError('drawChart: needs at least one measured time, got none')
  }
  const { dtype, batch, heads, headDim } = problem
  const title = `${configurations[0]!.device.name}: ${dtype}, batch ${batch}, ${heads} heads of dim ${headDim}`
  const chart = { caption: 'milliseconds', lines: drawn, base: 10 }
  return drawLineCharts(title, [chart], { width: 640, height: 300 })
}
