// `attn positions` without a GPU: what results are compared with, the turns, the table and the plot.
import { flashAttention, tensor } from '@attn/core'
import { alibi, ropeFrequencies, rotate } from '@attn/positions'
import { describe, expect, test } from 'vitest'
import { normalArray } from '../src/inputs/normal.ts'
import { measureInTurns } from '../src/measure/measure-in-turns.ts'
import type { Stopwatch } from '../src/measure/measure.ts'
import { biasOf, rotaryOf } from '../src/positions/biases.ts'
import { expectPositions } from '../src/positions/expectation.ts'
import {
  checkPositionProblem,
  defaultPositionProblem,
  positionMask,
  positionMethods,
} from '../src/positions/problem.ts'
import type { PositionMethod } from '../src/positions/problem.ts'
import { drawPositions } from '../src/report/positions-plot.ts'
import { positionsVerified } from '../src/report/positions-report.ts'
import type { PositionOutcome, PositionsReport } from '../src/report/positions-report.ts'
import { formatPositions, formatPositionsHeader } from '../src/report/positions-summary.ts'
import { verifyRows } from '../src/verify/expectation.ts'
import { sampleBlocks } from '../src/verify/sample.ts'

const [heads, length, headDim] = [4, 40, 8]
const shape = [2, heads, length, headDim]
const input = (stream: number) => tensor(normalArray(stream, 2 * heads * length * headDim), shape)
const [query, key, value] = [input(1), input(2), input(3)]

function verifyOn(method: PositionMethod, output: ArrayLike<number>, dtype = 'float32' as const) {
  const blocks = sampleBlocks(2 * heads, length).map((block) => {
    const part = (view: typeof query, first: number, rows: number): Float32Array =>
      (view.storage as Float32Array).slice(
        (block.head * length + first) * headDim,
        (block.head * length + first + rows) * headDim,
      )
    return {
      ...block,
      query: part(query, block.firstRow, block.rows),
      key: part(key, 0, length),
      value: part(value, 0, length),
    }
  })
  const reference = { bias: biasOf(method, heads), rotary: rotaryOf(method, headDim), heads }
  const expectation = expectPositions(blocks, length, dtype, reference)
  const actual = blocks.map(({ head, firstRow, rows }) =>
    Array.from(
      { length: rows * headDim },
      (_, i) => output[(head * length + firstRow) * headDim + i]!,
    ),
  )
  return verifyRows(expectation, actual)
}

describe('what results are compared with', () => {
  const withBias = (method: PositionMethod): ArrayLike<number> => {
    const bias = biasOf(method, heads)
    const options = { mask: positionMask, scoreModifiers: bias ? [bias] : [] }
    return flashAttention(query, key, value, options).output.storage
  }
  const rotated = (base: number): ArrayLike<number> => {
    const rotary = ropeFrequencies({ headDim, base })
    const [q, k] = [rotate(query, rotary), rotate(key, rotary)]
    return flashAttention(q, k, value, { mask: positionMask }).output.storage
  }

  test.each(positionMethods)(
    '%s: the right rows pass, those of another method do not',
    (method) => {
      const right = method === 'rope' ? rotated(10000) : withBias(method)
      expect(verifyOn(method, right)).toMatchObject({ passed: true, rows: 24 })
      const other = method === 'alibi' ? withBias('t5') : withBias('alibi')
      expect(verifyOn(method, other).passed).toBe(false)
    },
  )

  test('slopes of other heads, other frequencies and an infinity do not pass', () => {
    const slopes = [...biasSlopes()].toReversed()
    const swapped = flashAttention(query, key, value, {
      mask: positionMask,
      scoreModifiers: [alibi({ heads, slopes })],
    }).output.storage
    expect(verifyOn('alibi', swapped).passed).toBe(false)
    expect(verifyOn('rope', rotated(9000)).passed).toBe(false)
    const broken = Float32Array.from(withBias('none'))
    broken[0] = Number.NaN
    expect(verifyOn('none', broken).error).toBe(Infinity)
  })

  const biasSlopes = (): number[] => [0.25, 0.0625, 0.015625, 0.00390625]
})

test('turns: each round takes one sample of each', async () => {
  const order: string[] = []
  const stopwatch = (name: string, each: number): Stopwatch => ({
    clock: 'wall-clock',
    time: async (iterations) => {
      order.push(name)
      return each * iterations
    },
  })
  const [first, second] = await measureInTurns([stopwatch('a', 10), stopwatch('b', 20)], {
    samples: 3,
  })
  expect(order.slice(-6).join('')).toBe('ababab')
  expect(first).toMatchObject({ median: 10, iterations: 2, samples: [10, 10, 10] })
  expect(second).toMatchObject({ median: 20, iterations: 1, clock: 'wall-clock' })
})

test('problems are checked', () => {
  const problem = defaultPositionProblem('gpu')
  expect(() => checkPositionProblem(problem)).not.toThrow()
  expect(() => checkPositionProblem({ ...problem, lengths: [] })).toThrow('at least one length')
  expect(() => checkPositionProblem({ ...problem, heads: 0 })).toThrow(
    'attn positions: heads must be a positive integer, got 0',
  )
  expect(() => checkPositionProblem({ ...problem, headDim: 6 })).toThrow('multiple of four')
  expect(() => checkPositionProblem({ ...problem, dtype: 'float64' as 'float32' })).toThrow(
    TypeError,
  )
})

describe('the report', () => {
  const outcome = (median: number, overhead: number, error = 1e-7): PositionOutcome => ({
    time: {
      median,
      minimum: median,
      maximum: median,
      samples: [median],
      clock: 'gpu-timestamps',
      iterations: 1,
      warmUps: 1,
    },
    tokensPerSecond: 4096 / (median / 1000),
    overhead,
    memoryBytes: 1e6,
    verification: { rows: 24, error, plainError: 2e-7, allowedError: 4e-7, passed: error <= 4e-7 },
    explanation: {},
  })
  const report = (alibiError = 1e-7): PositionsReport => ({
    schema: 'attn-positions/1',
    created: '2026-11-22T00:00:00.000Z',
    environment: { attn: '0.0.0', runtime: 'Node', platform: 'Linux' },
    problem: { ...defaultPositionProblem('gpu'), lengths: [4096, 8192] },
    device: {
      kind: 'gpu',
      name: 'ACME One',
      description: 'driver 1',
      vendor: 'acme',
      architecture: 'one',
      backend: 'Dawn (Vulkan)',
      features: [],
      limits: {},
    },
    results: [4096, 8192].map((size) => ({
      length: size,
      outcomes: {
        none: outcome(1, 0),
        sinusoidal: outcome(1.01, 0.01),
        rope: outcome(1.05, 0.05),
        t5: outcome(1.02, -0.02),
        alibi: outcome(1.03, 0.03, alibiError),
        kerple: outcome(1.1, 0.1),
      },
    })),
  })

  test('says per length and method what it takes, what it adds and what it holds', () => {
    const text = formatPositions(report())
    expect(text).toMatch(/^ +4k +none +1\.00 +4\.10M +1\.00 MB$/m)
    expect(text).toMatch(/^ +8k +RoPE +1\.05 +3\.90M +\+5\.0 % +1\.00 MB$/m)
    expect(text).toMatch(/^ +8k +T5 bias +1\.02 +4\.02M +-2\.0 % /m)
    expect(text).toContain('ALiBi      largest error 1.0e-7 of 4.0e-7 allowed, in 24 rows')
    expect(text).not.toContain('software adapter')
    const header = formatPositionsHeader(report().device, report().environment, report().problem)
    expect(header).toContain('ACME One (driver 1)')
  })

  test('says where a method is wrong', () => {
    expect(positionsVerified(report())).toBe(true)
    expect(positionsVerified(report(1e-3))).toBe(false)
    expect(formatPositions(report(1e-3))).toContain('WRONG at length 4k, 8k')
  })

  test('draws a curve for each method', () => {
    const svg = drawPositions(report())
    for (const name of ['sinusoidal', 'RoPE', 'T5 bias', 'ALiBi', 'KERPLE']) {
      expect(svg).toContain(name)
    }
    expect(svg).toMatch(/^<svg /)
    expect(svg).toContain('aria-label="line"')
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('draws bars where there is one length', () => {
    const all = report()
    const svg = drawPositions({ ...all, results: all.results.slice(0, 1) })
    expect(svg).toContain('aria-label="bar"')
    expect(svg).not.toContain('aria-label="line"')
    expect(svg).toContain('% over attention without positions')
  })
})
