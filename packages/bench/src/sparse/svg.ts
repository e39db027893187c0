// The report of `attn sparse` as two charts: milliseconds over length, FlexAttention's dashed, and how
// many times its share of the work a pattern takes.
import { chartColors, drawLineCharts } from '../report/line-chart.ts'
import type { ChartLine } from '../report/line-chart.ts'
import { patternNames } from './patterns.ts'
import type { PatternName } from './patterns.ts'
import type { SparseReport } from './report.ts'

const looks: Readonly<Record<PatternName, { readonly label: string; readonly color: string }>> = {
  window: { label: 'window', color: chartColors.green },
  bigBird: { label: 'BigBird', color: chartColors.purple },
  strided: { label: 'strided', color: chartColors.vermilion },
  fixed: { label: 'fixed', color: chartColors.orange },
}
const causalLook = { label: 'causal', color: chartColors.blue }

/**
 * Draws the report as an SVG document.
 *
 * @throws RangeError when nothing was measured.
 */
export function drawSparse({ device, problem, results, flex }: SparseReport): string {
  if (results.length === 0) throw new RangeError('drawSparse: needs at least one length, got none')
  const lineOf = (name: PatternName, value: 'time' | 'timePerWork'): ChartLine => ({
    ...looks[name],
    points: results.flatMap(({ length, results: patterns }) =>
      patterns
        .filter((pattern) => pattern.name === name)
        .map(
          (pattern) =>
            [length, value === 'time' ? pattern.time.median : pattern.timePerWork] as const,
        ),
    ),
  })
  const causal: ChartLine = {
    ...causalLook,
    points: results.map(({ length, causal: { median } }) => [length, median] as const),
  }
  const ofFlex = (['causal', ...patternNames] as const).map((name): ChartLine => {
    const { label, color } = name === 'causal' ? causalLook : looks[name]
    const times = flex?.times.filter((time) => time.name === name) ?? []
    return {
      label: `${label}, FlexAttention`,
      color,
      dashed: true,
      points: times.map(({ length, median }) => [length, median] as const),
    }
  })
  const present = (lines: readonly ChartLine[]): ChartLine[] =>
    lines.filter(({ points }) => points.length > 0)
  const times = [causal, ...patternNames.map((name) => lineOf(name, 'time')), ...ofFlex]
  const shares = patternNames.map((name) => lineOf(name, 'timePerWork'))
  return drawLineCharts(
    `${device.name}: float32, ${problem.heads} heads of dim ${problem.headDim}`,
    [
      { caption: 'milliseconds', lines: present(times), base: 10 },
      { caption: 'time / share of causal tiles', lines: present(shares), base: 2 },
    ],
    { width: 480, height: 260 },
  )
}
