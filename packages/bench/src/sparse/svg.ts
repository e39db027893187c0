// The report of `attn sparse` as two charts: milliseconds over length, FlexAttention's dashed, and how
// many times its share of the work a pattern takes. One length is drawn as bars.
import { rangeError } from '@attn/core'
import { drawFigure } from '../chart/figure.ts'
import type { Panel, Series } from '../chart/panel.ts'
import { formatLength, threeDigits } from '../report/format.ts'
import { patternNames } from './patterns.ts'
import type { PatternName } from './patterns.ts'
import type { SparseReport } from './report.ts'

const names: Readonly<Record<PatternName | 'causal', string>> = {
  causal: 'causal',
  window: 'window',
  bigBird: 'BigBird',
  strided: 'strided',
  fixed: 'fixed',
}

/**
 * Draws the report as an SVG document.
 *
 * @throws RangeError when nothing was measured.
 */
export function drawSparse({ device, problem, results, flex }: SparseReport): string {
  if (results.length === 0) throw rangeError('drawSparse: needs at least one length, got none')
  const seriesOf = (name: PatternName, value: 'time' | 'timePerWork'): Series => ({
    label: names[name],
    points: results.flatMap(({ length, results: patterns }) =>
      patterns
        .filter((pattern) => pattern.name === name)
        .map(
          (pattern) =>
            [length, value === 'time' ? pattern.time.median : pattern.timePerWork] as const,
        ),
    ),
  })
  const causal: Series = {
    label: names.causal,
    points: results.map(({ length, causal: { median } }) => [length, median] as const),
  }
  const ofFlex = (['causal', ...patternNames] as const).map((name): Series => {
    const times = flex?.times.filter((time) => time.name === name) ?? []
    return {
      label: `${names[name]}, FlexAttention`,
      method: names[name],
      draw: 'dashes',
      points: times.map(({ length, median }) => [length, median] as const),
    }
  })
  const measured = (series: readonly Series[]): Series[] =>
    series.filter(({ points }) => points.length > 0)
  const panelOf = (
    title: string,
    unit: string,
    series: readonly Series[],
    scale: 'log' | 'linear',
  ): Panel =>
    results.length > 1
      ? {
          kind: 'lines',
          title,
          xLabel: 'length',
          yLabel: unit,
          xScale: 'length',
          yScale: scale,
          yIncludes: scale === 'linear' ? [0] : [],
          series,
        }
      : {
          kind: 'bars',
          title: `${title}, length ${formatLength(results[0]!.length)}`,
          valueLabel: unit,
          scale,
          bars: series.map(({ label, method = label, draw, points }) => ({
            label,
            method,
            second: draw === 'dashes',
            value: points[0]![1],
            text: threeDigits(points[0]![1]),
          })),
        }
  const times = measured([causal, ...patternNames.map((name) => seriesOf(name, 'time')), ...ofFlex])
  const shares = measured(patternNames.map((name) => seriesOf(name, 'timePerWork')))
  return drawFigure({
    title: `${device.name}: ${problem.dtype}, ${problem.heads} heads of dim ${problem.headDim}`,
    description:
      'Milliseconds of sparse patterns beside causal attention, and time by share of work.',
    methods: Object.values(names),
    panels: [
      panelOf('Time', 'milliseconds', times, 'log'),
      ...(shares.length > 0
        ? [panelOf('Time against share of causal tiles', 'times its share', shares, 'linear')]
        : []),
    ],
  })
}
