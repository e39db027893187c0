// A report of `attn patterns` as text.
import { formatTable } from '../../report/table.ts'
import { spreadOf } from '../extrapolate/report.ts'
import { positionMethodTitles } from '../positions/methods.ts'
import { modelsOf, patternTitle } from './compare-patterns.ts'
import type { PatternReport } from './compare-patterns.ts'

/** The report for people. */
export function formatPatterns(report: PatternReport): string {
  const { plan, text, device } = report
  const { layers, width, heads, length, batch, steps, positions } = plan.configuration
  const rows = plan.patterns.map((pattern, index) => {
    const title = patternTitle(pattern)
    const own = modelsOf(report, pattern)
    const bits = spreadOf(own.map(({ bitsPerToken }) => bitsPerToken))
    const { median } = report.stepTimes[index]!
    const share = `${(median / report.stepTimes[0]!.median).toFixed(2)}x`
    return [
      title,
      ...[bits.mean, bits.low, bits.high].map((cell) => cell.toFixed(3)),
      median.toFixed(0),
      share,
    ]
  })
  const clock = report.stepTimes[0]?.clock === 'processor-time' ? 'processor time' : 'wall clock'
  const step = `a step, ${clock}`
  const group = `bits a token, ${plan.seeds.length} seeds`
  return [
    `${text.name}: ${text.training} tokens of ${text.vocabulary} kinds`,
    `${layers} layers of width ${width}, ${heads} heads, ${positionMethodTitles[positions]} positions, ${steps} steps of ${batch} x ${length} tokens; ${device}`,
    '',
    formatTable(
      [
        { group: '', title: 'attention' },
        { group, title: 'mean' },
        { group, title: 'least' },
        { group, title: 'most' },
        { group: step, title: 'ms' },
        { group: step, title: 'of the first' },
      ],
      rows,
    ),
  ].join('\n')
}
