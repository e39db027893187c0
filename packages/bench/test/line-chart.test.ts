// Charts as the commands draw them: legends that keep apart, lines where the values are.
import { describe, expect, test } from 'vitest'
import { drawLineCharts } from '../src/report/line-chart.ts'

const size = { width: 480, height: 200 }
const labels = ['causal', 'window', 'BigBird', 'strided', 'causal, FlexAttention', 'strided, Flex']
const lines = labels.map((label, index) => ({
  label,
  color: '#000000',
  points: [
    [1024, index + 1],
    [4096, 16 * (index + 1)],
  ] as const,
}))

describe('drawLineCharts', () => {
  const svg = drawLineCharts('a <title>', [{ caption: 'milliseconds', lines, base: 10 }], size)

  test('entries of a legend neither overlap nor leave the chart', () => {
    const entries = labels.map((label) => {
      const found = new RegExp(`<text x="([\\d.]+)" y="([\\d.]+)" >${label}</text>`).exec(svg)!
      // The sample of the line lies before the words; letters are 6.5 wide on average, or less.
      const x = Number(found[1])
      return { row: found[2], from: x - 30, to: x + 6.5 * label.length }
    })
    expect(new Set(entries.map(({ row }) => row)).size).toBe(2)
    expect(entries.every(({ from, to }) => from >= 60 && to <= size.width)).toBe(true)
    const pairs = entries.slice(1).map((entry, index) => [entries[index]!, entry] as const)
    expect(pairs.filter(([one, next]) => one.row === next.row && next.from <= one.to)).toEqual([])
  })

  test('the chart begins below the legend, and higher values lie higher', () => {
    const words = Math.max(
      ...[...svg.matchAll(/y="([\d.]+)" >(?:causal|strided)/g)].map(([, y]) => Number(y)),
    )
    const heights = [...svg.matchAll(/cy="([\d.]+)"/g)].map(([, y]) => Number(y))
    expect(Math.min(...heights)).toBeGreaterThan(words)
    expect(heights[0]).toBeGreaterThan(heights[1]!)
    expect(svg).toContain('a &lt;title&gt;')
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('a dashed line has hollow marks', () => {
    const dashed = [{ ...lines[0]!, dashed: true }]
    const drawn = drawLineCharts('', [{ caption: '', lines: dashed, base: 2 }], size)
    expect(drawn).toContain('stroke-dasharray')
    expect(drawn).toContain('fill="#ffffff" stroke="#000000"')
  })

  test('refuses to draw nothing', () => {
    const none = [{ ...lines[0]!, points: [] }]
    expect(() => drawLineCharts('', [{ caption: '', lines: none, base: 2 }], size)).toThrow(
      'needs at least one point, got none',
    )
  })
})
