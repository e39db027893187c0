// Figures as the commands draw them: what is where, and one look for a method. The snapshot is a picture
// that was looked at, in light and in dark.
import { describe, expect, test } from 'vitest'
import { drawFigure } from '../src/chart/figure.ts'
import type { Figure } from '../src/chart/figure.ts'
import type { LinePanel } from '../src/chart/panel.ts'

const lines = (...labels: string[]): LinePanel => ({
  kind: 'lines',
  title: 'milliseconds',
  xLabel: 'length',
  yLabel: 'ms',
  xScale: 'length',
  yScale: 'log',
  series: labels.map((label, index) => ({
    label,
    points: [1024, 4096, 16384].map(
      (length) => [length, (length / 1024) ** 2 * (index + 1)] as const,
    ),
  })),
})
const figure: Figure = {
  title: 'a <device>',
  description: 'what there is',
  panels: [
    {
      ...lines('standard', 'flash'),
      series: [
        ...lines('standard', 'flash').series,
        { label: 'flash, unchecked', method: 'flash', draw: 'dashes', points: [[1024, 1.5]] },
      ],
      marks: [
        { x: 16384, label: 'L' },
        { y: 100, label: 'bound' },
      ],
    },
    {
      kind: 'bars',
      title: 'one length',
      valueLabel: 'ms',
      bars: [
        { label: 'flash', value: 1, text: '1.00' },
        { label: 'standard', value: 4, text: '4.00', second: true },
      ],
    },
    {
      ...lines(),
      title: 'roofline',
      xScale: 'log',
      series: [
        {
          label: 'roof',
          draw: 'bare',
          points: [
            [0.1, 1e11],
            [100, 1e14],
            [1000, 1e14],
          ],
        },
        {
          label: 'kernels',
          draw: 'points',
          points: [
            [3, 1e12],
            [300, 5e13],
          ],
          texts: ['decode', 'flash'],
        },
      ],
    },
    { ...lines('standard'), xScale: 'linear', yScale: 'linear', yIncludes: [0] },
  ],
}

/** Colours of the strokes of lines, panel by panel; the legend comes before the panels. */
function lineColors(svg: string): string[][] {
  return svg
    .split(/<text[^>]*font-weight="600">/)
    .slice(2)
    .map((panel) =>
      [...panel.matchAll(/<g[^>]*stroke="var\((--series\d)\)"[^>]*aria-label="line"/g)].map(
        ([, color]) => color!,
      ),
    )
}

describe('drawFigure', () => {
  const svg = drawFigure(figure)

  test('is the picture that was looked at', async () => {
    await expect(svg).toMatchFileSnapshot('__charts__/figure.svg')
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('a method has one colour in all panels and settings', () => {
    expect(lineColors(svg)).toEqual([
      ['--series0', '--series1', '--series1'],
      [],
      ['--series2'],
      ['--series0'],
    ])
  })

  test('the order of colours can be given', () => {
    const panels = [lines('flash')]
    expect(lineColors(drawFigure({ ...figure, panels }))).toEqual([['--series0']])
    const methods = ['standard', 'flash']
    expect(lineColors(drawFigure({ ...figure, panels, methods }))).toEqual([['--series1']])
  })

  test('a long title and a long legend take more lines, within the width', () => {
    const labels = Array.from({ length: 7 }, (_, index) => `a method with a long name, ${index}`)
    const title = 'an adapter whose name is longer than the picture is wide, '.repeat(3)
    const long = drawFigure({ ...figure, title, panels: [lines(...labels)] })
    const width = Number(/viewBox="0 0 (\d+)/.exec(long)![1])
    const entries = labels.map((label) => {
      const [, x, y] = new RegExp(`<text x="([\\d.]+)" y="([\\d.]+)"[^>]*>${label}</text>`).exec(
        long,
      )!
      return { row: y, from: Number(x) - 34, to: Number(x) + 6 * label.length }
    })
    expect(entries.every(({ from, to }) => from >= 0 && to <= width)).toBe(true)
    expect(new Set(entries.map(({ row }) => row)).size).toBeGreaterThan(1)
    const overlaps = entries.slice(1).filter((entry, index) => {
      const before = entries[index]!
      return before.row === entry.row && entry.from <= before.to
    })
    expect(overlaps).toEqual([])
    const titleLines = [...long.matchAll(/font-size="15"[^>]*>([^<]*)</g)].map(([, line]) => line!)
    expect(titleLines.length).toBeGreaterThan(1)
    expect(titleLines.every((line) => line.length * 8 < width)).toBe(true)
  })

  test('refuses to draw nothing', () => {
    expect(() => drawFigure({ ...figure, panels: [] })).toThrow(
      'every panel needs at least one value',
    )
    expect(() => drawFigure({ ...figure, panels: [lines()] })).toThrow('at least one value')
  })
})
