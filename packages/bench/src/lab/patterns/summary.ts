// A report of `attn patterns` as text.
import { formatTable } from '../../report/table.ts'
import { spreadOf } from '../extrapolate/report.ts'
import { positionMethodTitles } from '../positions/methods.ts'
import { patternTitle } from './compare-patterns.ts'
import type { PatternReport } from './compare-patterns.ts'

/** The report for people. */
export function formatPatterns({ plan, text, models, device }: PatternReport): string {
  const { layers, width, heads, length, batch, steps, positions } = plan.configuration
  const rows = plan.patterns.map((pattern) => {
    const title = patternTitle(pattern)
    const own = models.filter((model) => patternTitle(model.pattern) === title)
    const bits = spreadOf(own.map(({ bitsPerToken }) => bitsPerToken))
    const time = spreadOf(own.map(({ stepMilliseconds }) => stepMilliseconds))
    return [title, bits.mean, bits.low, bits.high, time.mean].map((cell) =>
      typeof cell === 'string' ? cell : cell.toFixed(cell > 10 ? 0 : 3),
    )
  })
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
        { group: '', title: 'ms a step' },
      ],
      rows,
    ),
  ].join('\n')
}
