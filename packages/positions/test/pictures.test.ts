// Pictures are checked as files, so that a change of one is seen in review. `vitest -u` redraws them.
import { mask } from '@attn/core'
import { describe, expect, test } from 'vitest'
import {
  alibi,
  extrapolationExperiment,
  heatMap,
  linePlot,
  plotBias,
  plotExtrapolation,
  plotRotaryScores,
  plotScoreBound,
  plotWavelengths,
  ropeFrequencies,
  scoreWaves,
  t5Bias,
} from '../src/index.ts'

const causal = mask('causal', ({ query, key }) => key.le(query))

/** Falls off with the bucket, at another rate and to another level for each head and side. */
const exampleTable = Float32Array.from({ length: 32 * 8 }, (_, index) => {
  const [bucket, head] = [Math.floor(index / 8), index % 8]
  const ahead = bucket >= 16
  return -0.12 * (bucket % 16) * (1 + head / 2) - (ahead ? 0.6 * head : 0)
})

const shape = { headDim: 128 }
const pictures: Record<string, () => string> = {
  extrapolation: () => {
    const experiment = extrapolationExperiment()
    return plotExtrapolation(experiment, experiment.run(1e-4))
  },
  'score-bound': () => plotScoreBound(ropeFrequencies(shape).inverseFrequencies, 128, 4096),
  'rotary-score': () => {
    const equal = new Array<number>(128).fill(1)
    const rope = ropeFrequencies(shape)
    const interpolated = ropeFrequencies({ ...shape, type: 'linear', factor: 2 })
    const curves = [
      { label: 'RoPE', ...rope },
      { label: 'interpolated to 2 L', ...interpolated },
    ]
    return plotRotaryScores(
      curves.map(({ label, inverseFrequencies }) => ({
        label,
        inverseFrequencies,
        waves: scoreWaves(equal, equal, rope),
      })),
      { length: 512, trainedLength: 256 },
    )
  },
  wavelengths: () =>
    plotWavelengths(
      [
        { label: 'RoPE, base 10000', rotary: ropeFrequencies(shape) },
        {
          label: 'Position Interpolation, 8 times',
          rotary: ropeFrequencies({ ...shape, type: 'linear', factor: 8 }),
        },
        {
          label: 'NTK-aware, 8 times',
          rotary: ropeFrequencies({ ...shape, type: 'ntk', factor: 8 }),
        },
        {
          label: 'YaRN, 8 times',
          rotary: ropeFrequencies({ ...shape, type: 'yarn', factor: 8, trainedLength: 4096 }),
        },
      ],
      4096,
    ),
  alibi: () => plotBias(alibi({ heads: 8 }), { heads: 8, mask: causal }),
  't5-bias': () =>
    plotBias(t5Bias({ heads: 8, bidirectional: true, table: exampleTable }), {
      heads: 8,
      length: 48,
    }),
}

test.each(Object.keys(pictures))('%s', async (name) => {
  const svg = pictures[name]!()
  await expect(svg).toMatchFileSnapshot(`../pictures/${name}.svg`)
  expect(svg).not.toMatch(/NaN|Infinity|undefined/)
})

describe('linePlot', () => {
  const panel = { xLabel: 'x', yLabel: 'y' }
  const options = { title: 'a', description: 'b' }

  test('escapes what users write', () => {
    const svg = linePlot({
      title: '<b> & "c"',
      description: 'd',
      panels: [{ ...panel, series: [{ label: '<i>', x: [0, 1], y: [0, 1] }] }],
    })
    expect(svg).toContain('<title>&lt;b&gt; &amp; &quot;c&quot;</title>')
    expect(svg).not.toMatch(/<[bi]>/)
  })

  test('a label has one colour in all panels', () => {
    const series = (label: string) => ({ label, x: [0, 1], y: [0, 1] })
    const svg = linePlot({
      ...options,
      panels: [
        { ...panel, series: [series('one'), series('two')] },
        { ...panel, series: [series('two')] },
      ],
    })
    // In the first panel the second colour for its curve and its legend, in the second both again.
    expect(svg.match(/--series1\)/g)).toHaveLength(4)
    expect(svg.match(/--series0\)/g)).toHaveLength(2)
  })

  test('labels and titles stay inside', () => {
    const svg = linePlot({
      ...options,
      title: 'a title of many words, '.repeat(5).trim(),
      panels: [
        {
          ...panel,
          series: [{ x: [0, 10], y: [0, 1] }],
          marks: [
            { x: 10, label: 'end' },
            { y: 1.05, label: 'top' },
          ],
        },
      ],
    })
    expect(svg.match(/font-size="15"/g)!.length).toBeGreaterThan(1)
    expect(svg).toMatch(/text-anchor="end"[^>]*>end</)
    expect(Number(/y="([-\d.]+)"[^>]*>top</.exec(svg)![1])).toBeGreaterThan(0)
  })

  test('thins out dense curves but keeps their extremes', () => {
    const x = Array.from({ length: 100000 }, (_, index) => index)
    const y = x.map((value) => (value === 54321 ? 10 : Math.sin(value)))
    const svg = linePlot({
      ...options,
      panels: [{ ...panel, series: [{ x, y }], yRange: [-1, 10] }],
    })
    expect(svg.length).toBeLessThan(60000)
    expect(svg).toMatch(/L\d+(\.\d)? 0L/)
  })

  test('leaves a gap where there is no number', () => {
    const svg = linePlot({
      ...options,
      panels: [{ ...panel, series: [{ x: [0, 1, 2, 3, 4], y: [0, 1, Number.NaN, 1, 0] }] }],
    })
    const [, path] = /fill="none" d="(M[^"]*)"|d="(M[^"]*)" fill="none"/
      .exec(svg.slice(svg.indexOf('overflow')))!
      .filter((part) => part !== undefined)
    expect(path!.match(/M/g)).toHaveLength(2)
  })

  test('labels a logarithmic axis at powers of ten, or at 1, 2 and 5', () => {
    const draw = (y: number[]) =>
      linePlot({ ...options, panels: [{ ...panel, yScale: 'log', series: [{ x: [0, 1], y }] }] })
    for (const text of ['>10<', '>100<', '>1000<', '>1e5<']) expect(draw([10, 2e5])).toContain(text)
    for (const text of ['>1<', '>2<', '>5<', '>10<']) expect(draw([1, 12])).toContain(text)
  })

  test('refuses series of unequal length', () => {
    expect(() =>
      linePlot({ ...options, panels: [{ ...panel, series: [{ x: [1], y: [] }] }] }),
    ).toThrow('linePlot: a series has 1 x and 0 y')
  })

  test('themes: fixed colours, or the reader’s', () => {
    const draw = (theme?: 'light' | 'dark') =>
      linePlot({ ...options, panels: [{ ...panel, series: [] }], ...(theme ? { theme } : {}) })
    expect(draw()).toContain('prefers-color-scheme:dark')
    expect(draw('light')).not.toContain('prefers-color-scheme')
    expect(draw('dark')).toContain('--paper:#0d1117')
  })
})

test('heatMap leaves hidden pairs blank and refuses matrices of another size', () => {
  const options = { title: 'a', description: 'b', xLabel: 'x', yLabel: 'y', valueLabel: 'v' }
  const panel = { title: 'p', rows: 2, columns: 2 }
  const svg = heatMap({ ...options, panels: [{ ...panel, values: [0, -Infinity, 1, 0] }] })
  expect(svg).toContain('M0 0h1v1h-1z')
  expect(svg).not.toContain('M1 0h1')
  expect(() => heatMap({ ...options, panels: [{ ...panel, values: [1] }] })).toThrow(RangeError)
})
