// The times of `attn positions` as a picture: what each method adds, and what attention takes at all.
import { linePlot } from '@attn/positions'
import type { PlotSeries } from '@attn/positions'
import { positionMethods, positionNames } from '../positions/problem.ts'
import type { PositionMethod } from '../positions/problem.ts'
import type { PositionOutcome, PositionsReport } from './positions-report.ts'

/** Draws a report as an SVG document. */
export function drawPositions({ results, problem, device }: PositionsReport): string {
  const methods = positionMethods.filter((method) => results[0]?.outcomes[method])
  const curve = (method: PositionMethod, y: (outcome: PositionOutcome) => number): PlotSeries => ({
    label: positionNames[method],
    x: results.map(({ length }) => length),
    y: results.map(({ outcomes }) => y(outcomes[method]!)),
  })
  const { dtype, heads, headDim } = problem
  return linePlot({
    title: `${device.name}: ${dtype}, ${heads} heads of dim ${headDim}, causal`,
    description:
      'Left: how much longer attention takes with each position method than without any. Right: milliseconds. Both by sequence length.',
    panels: [
      {
        title: 'Overhead',
        xLabel: 'length',
        yLabel: '% over no positions',
        xScale: 'log',
        series: methods
          .filter((method) => method !== 'none')
          .map((method) => curve(method, ({ overhead }) => 100 * overhead)),
        marks: [{ y: 0, label: 'none' }],
      },
      {
        title: 'Time',
        xLabel: 'length',
        yLabel: 'milliseconds',
        xScale: 'log',
        yScale: 'log',
        series: methods.map((method) => curve(method, ({ time }) => time.median)),
      },
    ],
  })
}
