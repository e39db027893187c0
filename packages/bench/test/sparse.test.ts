import { describe, expect, it } from 'vitest'
import { standardAttention, tensor } from '@attn/core'
import { maskStatistics } from '@attn/masks'
import { normalArray } from '../src/inputs/normal.ts'
import { extrapolate, headsWithin } from '../src/sparse/baseline.ts'
import { contest } from '../src/sparse/contest.ts'
import { measureFlex } from '../src/sparse/flex.ts'
import { baselineAt, patternsAt } from '../src/sparse/patterns.ts'
import type { FlexReport, SparseReport } from '../src/sparse/report.ts'
import { sampleRows, streams, verifySampledRows } from '../src/sparse/sampled-rows.ts'
import { formatSparse } from '../src/sparse/summary.ts'
import { drawSparse } from '../src/sparse/svg.ts'

describe('patternsAt', () => {
  it.each([
    [512, {}],
    [1024, { stride: 64, window: 100 }],
    [1088, { stride: 100 }],
  ])('counts the pairs of each, length %i', (length, options) => {
    for (const { mask, pairs, label } of patternsAt(length, options)) {
      expect([label, pairs]).toEqual([label, maskStatistics(mask, length).pairs])
    }
    expect(baselineAt(length).pairs).toBe(maskStatistics(baselineAt(length).mask, length).pairs)
  })

  it('has the parameters of the papers at 65,536 tokens', () => {
    expect(patternsAt(65_536).map(({ label }) => label)).toEqual([
      'window 1024',
      'BigBird, blocks of 64',
      'strided, l = 256',
      'fixed, l = 256, c = 32',
    ])
  })

  it('counts only what is asked for', () => {
    const found = patternsAt(256, { names: ['fixed', 'window'] })
    expect(found.map(({ name }) => name)).toEqual(['window', 'fixed'])
  })

  it('refuses lengths with a short block', () => {
    expect(() => patternsAt(1000)).toThrow('lengths must be multiples of 64, got 1000')
  })
})

describe('verifySampledRows', () => {
  const problem = { heads: 2, length: 192, headDim: 8, mask: patternsAt(192)[2]!.mask }
  const rows = sampleRows(2, 192)
  const shape = [1, 2, 192, 8]
  const input = (stream: number) =>
    tensor(Float64Array.from(normalArray(stream, 2 * 192 * 8)), shape)
  const { output } = standardAttention(
    input(streams.query),
    input(streams.key),
    input(streams.value),
    { mask: problem.mask },
  )
  const right = rows.map(({ head, row }) =>
    Float32Array.from(
      (output.storage as Float64Array).subarray((head * 192 + row) * 8, (head * 192 + row + 1) * 8),
    ),
  )

  it('passes what the reference computes from the same inputs', () => {
    expect(new Set(rows.map(({ head }) => head))).toEqual(new Set([0, 1]))
    expect(verifySampledRows(rows, right, problem)).toMatchObject({
      rows: rows.length,
      passed: true,
    })
  })

  it('fails a row that is off, or missing', () => {
    const off = right.map((row, index) => (index === 3 ? row.map((x) => x + 1e-5) : row))
    expect(verifySampledRows(rows, off, problem).passed).toBe(false)
    const missing = right.map((row, index) => (index === 0 ? new Float32Array(8).fill(NaN) : row))
    expect(verifySampledRows(rows, missing, problem)).toMatchObject({
      error: Infinity,
      passed: false,
    })
  })
})

describe('the baseline where it takes too long', () => {
  const causal = { median: 8, minimum: 6, maximum: 10, samples: [8], headsMeasured: 4 }

  it('grows with the pairs', () => {
    const far = extrapolate({ length: 3, causal }, 7)
    expect(far).toMatchObject({ extrapolatedFrom: 3, samples: [(8 * 28) / 6] })
    expect(far.maximum / far.minimum).toBeCloseTo(10 / 6)
  })

  it.each([
    [1, 8, 0, 8],
    [1, 8, 900, 8],
    [1, 8, 2000, 4],
    [1, 8, 7999, 1],
    [1, 8, 8001, 0],
  ])('in %d s of %i heads taking %d ms, %i run', (seconds, heads, milliseconds, measured) => {
    expect(headsWithin(seconds, heads, milliseconds)).toBe(measured)
  })
})

describe('contest', () => {
  it('takes turns, and as many runs of each as fill a sample', async () => {
    const turns: [string, number][] = []
    const contestant = (name: string, each: number) => ({
      stopwatch: {
        clock: 'wall-clock' as const,
        time: async (iterations: number) => {
          turns.push([name, iterations])
          return each * iterations
        },
      },
    })
    const samples = await contest([contestant('slow', 40), contestant('fast', 1)], {
      rounds: 3,
      warmUpMilliseconds: 100,
      sampleMilliseconds: 10,
    })
    expect(samples).toEqual([
      [40, 40, 40],
      [1, 1, 1],
    ])
    expect(turns.slice(-2)).toEqual([
      ['slow', 1],
      ['fast', 10],
    ])
  })
})

describe('the report', () => {
  const time = (median: number) => ({
    median,
    minimum: median,
    maximum: median,
    samples: [median],
    headsMeasured: 2,
  })
  const report: SparseReport = {
    schema: 'attn-sparse/1',
    created: '2026-01-01T00:00:00.000Z',
    environment: { attn: '1.0.0', runtime: 'Node 24', platform: 'Linux' },
    device: {
      kind: 'gpu',
      name: 'a GPU',
      description: 'a driver',
      vendor: '',
      architecture: '',
      backend: 'Dawn',
      features: [],
      limits: {},
    },
    problem: { dtype: 'float32', batch: 1, heads: 4, headDim: 64, lengths: [4096] },
    skipped: [{ length: 2 ** 20, reason: 'too large' }],
    results: [
      {
        length: 4096,
        causal: time(8),
        results: [
          {
            name: 'strided',
            label: 'strided, l = 64',
            time: time(1),
            verification: { rows: 8, error: 1, plainError: 1, allowedError: 2, passed: true },
            planMilliseconds: 3,
            workRatio: 0.1,
            pairRatio: 0.05,
            timeRatio: 0.125,
            timePerWork: 1.25,
            timePerPair: 2.5,
            explanation: {},
          },
        ],
      },
    ],
  }

  it('says how much faster, and for what share of the work', () => {
    const line = formatSparse(report)
      .split('\n')
      .find((text) => text.includes('strided, l = 64'))!
    expect(line.trim().split(/\s{2,}/)).toEqual([
      '4k',
      'strided, l = 64',
      '1.00',
      '8.00*',
      '8.00x',
      '5.00',
      '10.0',
      '12.5',
      '2.50',
      '1.25',
      '0.500',
    ])
  })

  it('has the backward passes in a table of their own', () => {
    const [length] = report.results
    const [pattern] = length!.results
    const gradients = {
      ...pattern!,
      teraflops: 50,
      timeRatio: 0.25,
      workRatio: 0.2,
      pairRatio: 0.1,
    }
    const one = { ...length!, backward: { causal: length!.causal, results: [gradients] } }
    const lines = formatSparse({ ...report, results: [one] }).split('\n')
    const table = lines.slice(lines.indexOf('Their backward passes'))
    const line = table.find((text) => text.includes('strided, l = 64'))!
    expect(line.trim().split(/\s{2,}/)).toEqual([
      '4k',
      'strided, l = 64',
      '1.00',
      '50.0',
      '8.00',
      '4.00x',
      '10.0',
      '20.0',
      '0.500',
    ])
    expect(formatSparse(report)).not.toContain('backward')
  })

  it('marks a baseline that was not run', () => {
    const [length] = report.results
    const results = [{ ...length!, causal: { ...length!.causal, extrapolatedFrom: 1024 } }]
    const text = formatSparse({ ...report, results })
    expect(text).toContain(' 8.00~ ')
    expect(text).toContain('~ not run: extrapolated by pairs from length 1k')
  })

  it('has FlexAttention beside ours', () => {
    const flexTime = { minimum: 5, maximum: 5, samples: [5], emptyBlocks: 0, compileSeconds: 1 }
    const flex: FlexReport = {
      version: '2.11',
      device: 'a GPU',
      times: [
        { ...flexTime, length: 4096, name: 'causal', median: 16, pairs: 1 },
        { ...flexTime, length: 4096, name: 'strided', median: 5, pairs: 1 },
      ],
      notes: ['ended after 2 s'],
    }
    const text = formatSparse({ ...report, flex })
    expect(text).toMatch(/strided, l = 64.* 5\.00 +5\.00x +0\.500/)
    expect(text).toContain('causal at 4k: 8.00 ms, FlexAttention 16.0 ms: 2.00x')
    expect(text).toContain('FlexAttention: ended after 2 s')
  })

  describe('measureFlex', () => {
    const run = (code: string, seconds = 20) =>
      measureFlex(report, { seconds, rounds: 3, command: [process.execPath, '-e', code] })
    const print = (value: unknown): string =>
      `console.log(${JSON.stringify(JSON.stringify(value))});`
    const strided = {
      length: 4096,
      name: 'strided',
      median: 5,
      minimum: 5,
      maximum: 5,
      samples: [5],
      pairs: patternsAt(4096)[2]!.pairs,
      emptyBlocks: 0.5,
      compileSeconds: 1,
    }

    it('asks for the masks of the report and takes a line for each', async () => {
      const echo = `
        const { heads, headDim, dtype, rounds, problems } = JSON.parse(process.argv[1])
        console.log(JSON.stringify({ version: JSON.stringify([heads, headDim, dtype, rounds, problems]), device: 'd' }));`
      const flex = await run(`${echo}console.log('a warning');${print(strided)}`)
      expect(JSON.parse(flex.version)).toEqual([
        4,
        64,
        'float32',
        3,
        [{ length: 4096, window: 1024, stride: 64, summary: 8, names: ['causal', 'strided'] }],
      ])
      expect(flex).toMatchObject({ device: 'd', times: [strided], notes: [] })
    })

    it('notes what is missing, fails, or sees other pairs', async () => {
      expect((await run(print({ missing: 'no torch' }))).notes).toEqual(['no torch'])
      const failed = await run(
        `${print({ ...strided, error: 'too large' })}${print({ ...strided, pairs: 1 })}`,
      )
      expect(failed.notes).toEqual([
        'strided at 4k: too large',
        expect.stringContaining('sees 1 pairs'),
      ])
      expect((await run('process.stderr.write("oh"); process.exit(3)')).notes).toEqual([
        'ended with 3: oh',
      ])
      const none = await measureFlex(report, { seconds: 9, rounds: 1, command: ['no-such-python'] })
      expect(none.notes).toEqual([expect.stringContaining('ENOENT')])
    })

    it('keeps what there is when the time is over', async () => {
      const flex = await run(`${print(strided)}setTimeout(() => {}, 60_000)`, 1)
      expect(flex.times).toHaveLength(1)
      expect(flex.notes).toEqual(['ended after 1.00 s'])
    })
  })

  it('names the lengths that were too large', () => {
    expect(formatSparse(report)).toContain('skipped 1024k: too large')
  })

  it('is drawn as two charts', () => {
    const svg = drawSparse(report)
    expect(svg).toContain('milliseconds')
    expect(svg).toContain('Time against share of causal tiles')
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
    expect(() => drawSparse({ ...report, results: [] })).toThrow(RangeError)
  })
})
