// The times of `attn run` as a chart: length against milliseconds, solid as a browser runs it, dashed
// without Dawn's safety checks where that was measured. A run of one length is drawn as bars.
import { rangeError } from '@attn/core'
import { drawFigure } from '../chart/figure.ts'
import type { Panel } from '../chart/panel.ts'
import { methods } from '../suites/problem.ts'
import type { Method } from '../suites/problem.ts'
import { formatLength, threeDigits } from './format.ts'
import type { RunReport } from './run-report.ts'

const names: Readonly<Record<Method, string>> = {
  standard: 'standard',
  flash: 'flash',
  windowFlash: 'flash, window',
}

/**
 * Draws a run as an SVG document.
 *
 * @throws RangeError when nothing in it was measured.
 */
export function drawChart({ configurations, problem }: RunReport): string {
  const lines = configurations
    .flatMap(({ device, results }, index) =>
      methods.map((method) => ({
        method: names[method],
        label: index === 0 ? names[method] : `${names[method]}, ${device.flags?.name ?? 'again'}`,
        draw: index > 0 ? ('dashes' as const) : ('line' as const),
        points: results.flatMap(({ length, outcomes }) => {
          const outcome = outcomes[method]
          return outcome.status === 'measured' ? [[length, outcome.time.median] as const] : []
        }),
      })),
    )
    .filter(({ points }) => points.length > 0)
  if (lines.length === 0) {
    throw rangeError('drawChart: needs at least one measured time, got none')
  }
  const { dtype, batch, heads, headDim } = problem
  const lengths = new Set(lines.flatMap(({ points }) => points.map(([length]) => length)))
  const panel: Panel =
    lengths.size > 1
      ? {
          kind: 'lines',
          xLabel: 'length',
          yLabel: 'milliseconds',
          xScale: 'length',
          yScale: 'log',
          series: lines,
        }
      : {
          kind: 'bars',
          title: `length ${formatLength([...lengths][0]!)}`,
          valueLabel: 'milliseconds',
          bars: lines.map(({ label, method, draw, points }) => ({
            label,
            method,
            second: draw === 'dashes',
            value: points[0]![1],
            text: threeDigits(points[0]![1]),
          })),
        }
  return drawFigure({
    title: `${configurations[0]!.device.name}: ${dtype}, batch ${batch}, ${heads} heads of dim ${headDim}`,
    description: 'Milliseconds of attention by sequence length, for each method.',
    panels: [panel],
    methods: methods.map((method) => names[method]),
  })
}
