// The report of `attn positions` as a picture of what each method adds, which is what is compared: the
// times themselves would be lines on top of one another. One length is drawn as bars.
import { drawFigure } from '../chart/figure.ts'
import type { Panel } from '../chart/panel.ts'
import { positionMethods, positionNames } from '../positions/problem.ts'
import { formatLength, threeDigits } from './format.ts'
import type { PositionsReport } from './positions-report.ts'

/**
 * Draws a report as an SVG document.
 *
 * @throws RangeError when no method but attention without positions was measured.
 */
export function drawPositions({ results, problem, device }: PositionsReport): string {
  const methods = positionMethods.filter(
    (method) => method !== 'none' && results[0]?.outcomes[method],
  )
  if (methods.length === 0) {
    throw new RangeError('drawPositions: needs at least one position method, got none')
  }
  const overhead = (index: number, method: (typeof methods)[number]): number =>
    100 * results[index]!.outcomes[method]!.overhead
  const { dtype, heads, headDim } = problem
  const panel: Panel =
    results.length === 1
      ? {
          kind: 'bars',
          title: `length ${formatLength(results[0]!.length)}, causal`,
          valueLabel: '% over attention without positions',
          bars: methods.map((method) => ({
            label: positionNames[method],
            value: overhead(0, method),
            text: `${threeDigits(overhead(0, method))} %`,
          })),
        }
      : {
          kind: 'lines',
          title: 'causal',
          xLabel: 'length',
          yLabel: '% over attention without positions',
          xScale: 'length',
          yScale: 'linear',
          yIncludes: [0],
          series: methods.map((method) => ({
            label: positionNames[method],
            points: results.map(({ length }, index) => [length, overhead(index, method)] as const),
          })),
        }
  return drawFigure({
    title: `${device.name}: ${dtype}, ${heads} heads of dim ${headDim}`,
    description:
      'How much longer attention takes with each position method than without any, by sequence length.',
    panels: [panel],
  })
}
