// The report of `attn positions` as a picture of what each method adds, which is what is compared: the
// times themselves would be lines on top of one another. One length is drawn as bars.
import { rangeError } from '@attn/core'
import { drawFigure } from '../chart/figure.ts'
import type { Panel } from '../chart/panel.ts'
import { positionMethods, positionNames } from '../positions/problem.ts'
import { formatLength, threeDigits } from './format.ts'
import type { PositionOutcome, PositionsReport } from './positions-report.ts'

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
    throw rangeError('drawPositions: needs at least one position method, got none')
  }
  type Method = (typeof methods)[number]
  const { dtype, heads, headDim } = problem
  const panelOf = (
    title: string,
    overhead: (outcome: PositionOutcome) => number | undefined,
  ): Panel[] => {
    const percent = (index: number, method: Method): number | undefined => {
      const part = overhead(results[index]!.outcomes[method]!)
      return part === undefined ? undefined : 100 * part
    }
    if (percent(0, methods[0]!) === undefined) return []
    const unit = '% over attention without positions'
    return results.length === 1
      ? [
          {
            kind: 'bars',
            title: `${title}, length ${formatLength(results[0]!.length)}`,
            valueLabel: unit,
            bars: methods.map((method) => ({
              label: positionNames[method],
              value: percent(0, method)!,
              text: `${threeDigits(percent(0, method)!)} %`,
            })),
          },
        ]
      : [
          {
            kind: 'lines',
            title,
            xLabel: 'length',
            yLabel: unit,
            xScale: 'length',
            yScale: 'linear',
            yIncludes: [0],
            series: methods.map((method) => ({
              label: positionNames[method],
              points: results.map(
                ({ length }, index) => [length, percent(index, method)!] as const,
              ),
            })),
          },
        ]
  }
  return drawFigure({
    title: `${device.name}: ${dtype}, ${heads} heads of dim ${headDim}, causal`,
    description:
      'How much longer attention takes with each position method than without any, by sequence length.',
    panels: [
      ...panelOf('Forward', ({ overhead }) => overhead),
      ...panelOf('Forward and backward', ({ training }) => training?.overhead),
    ],
  })
}
