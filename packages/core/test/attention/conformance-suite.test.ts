// The suite is itself tested: its yardstick is another implementation than the specification, its
// patterns are the published ones, and it catches what a wrong backend does.
import { describe, expect, test } from 'vitest'
import { cast, permute, standardAttention, tensorFrom, toFloat64Array } from '../../src/index.ts'
import type { AttentionOptions, AttentionResult } from '../../src/index.ts'
import {
  backwardCases,
  checkBackward,
  checkForward,
  conformanceCases,
  dropoutCases,
  expectedForward,
  expectedGradients,
  goldenCases,
  largestError,
  magnitude,
  plainAttention,
  sinkCases,
} from '../conformance/index.ts'
import type { Attend, AttendBackward, ConformanceCase } from '../conformance/index.ts'
import { randomNumbers } from '../conformance/fill.ts'
import { t5Bucket } from '../conformance/patterns.ts'
import { standardGradients } from '../conformance/index.ts'
import positions from '../golden/positions.json' with { type: 'json' }

describe('conformance cases', () => {
  const cases = conformanceCases()

  test('have names of their own', () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
  })

  test.each([
    ['queryLength', [1, 17, 63, 64, 65, 127, 129, 300]],
    ['keyLength', [1, 17, 63, 64, 65, 127, 129, 300]],
    ['headDim', [1, 4, 20, 64, 80, 128, 256]],
    ['valueDim', [1, 4, 20, 64, 80, 128, 256]],
  ] as const)('cover every awkward %s', (size, wanted) => {
    const covered = new Set<number>(cases.map(({ shape }) => shape[size]))
    expect(wanted.filter((value) => !covered.has(value))).toEqual([])
  })

  // The yardstick says what error is allowed, so it must itself be right.
  test.each(cases)('the yardstick is near the specification: $name', (each) => {
    const { dtype } = each
    const { expected: exact, plain } = expectedForward(each)
    const large = /cancel|near/.test(each.name) // float32 scores near 10,000 are 0.001 apart
    const halves = { float16: 3e-3, bfloat16: 2e-2, float32: large ? 1e-2 : 1e-5 }
    const allowed = halves[dtype]
    for (const part of ['output', 'logSumExp'] as const) {
      const values = toFloat64Array(exact[part])
      expect(largestError(plain[part], values) / magnitude(values)).toBeLessThan(allowed)
    }
  })

  const small = cases.filter(({ shape }) => shape.queryLength * shape.keyLength < 5000)
  const broken: Record<string, Attend> = {
    'forgets the scale': async (q, k, v, options) =>
      standardAttention(q, k, v, { ...options, scale: 1 }),
    'forgets the mask': async (q, k, v, options) =>
      standardAttention(q, k, v, without(options, 'mask', 'parameters')),
    'forgets padding': async (q, k, v, options) =>
      standardAttention(q, k, v, without(options, 'keyLengths')),
    'ignores the query offset': async (q, k, v, options) =>
      standardAttention(q, k, v, { ...options, queryOffset: 0 }),
    'takes heads for lengths': async (q, k, v, options) =>
      swapped(standardAttention(q, k, v, options)),
    'is half as exact as float32': async (q, k, v, options) =>
      rounded(standardAttention(q, k, v, options)),
  }
  test.each(Object.entries(broken))('catch a backend that %s', async (_, attend) => {
    expect(await catches(small, (each) => checkForward(each, attend))).toBe(true)
  })
})

describe('backward, dropout and sink cases', () => {
  const groups = { backward: backwardCases(), dropout: dropoutCases(), sinks: sinkCases() }

  test.each(Object.entries(groups))('%s: have names of their own', (_, cases) => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
  })

  test.each(Object.values(groups).flat())('the yardstick is near: $name', (each) => {
    const { dtype } = each
    const { expected: exact, plain } = expectedGradients(each)
    const allowed = { float16: 5e-3, bfloat16: 4e-2, float32: 1e-5 }[dtype]
    for (const name of ['dQuery', 'dKey', 'dValue'] as const) {
      const values = toFloat64Array(exact[name])
      expect(largestError(plain[name], values) / magnitude(values)).toBeLessThan(allowed)
    }
    for (const [table, gradient] of exact.dTables) {
      const error = largestError(plain.dTables.get(table)!, gradient)
      expect(error / magnitude(gradient)).toBeLessThan(allowed)
    }
    expect(largestError(plain.dSinks, exact.dSinks ?? plain.dSinks)).toBeLessThan(allowed)
  })

  const broken: Record<string, AttendBackward> = {
    'forgets the score modifiers': async (q, k, v, dO, options) => ({
      ...standardGradients(q, k, v, dO, without(options, 'scoreModifiers', 'parameters')),
      dTables: standardGradients(q, k, v, dO, options).dTables,
    }),
    'leaves tables without a gradient': async (q, k, v, dO, options) => {
      const result = standardGradients(q, k, v, dO, options)
      result.dTables.forEach((gradient) => gradient.fill(0))
      return result
    },
    'takes another random mask': async (q, k, v, dO, options) => {
      const { rate } = options.dropout ?? { rate: 0 }
      const dropout = { rate, seed: 12345 }
      return standardGradients(q, k, v, dO, { ...options, dropout })
    },
    'leaves sinks without a gradient': async (q, k, v, dO, options) => ({
      ...standardGradients(q, k, v, dO, options),
      dSinks: new Float64Array(q.shape[1]!),
    }),
    'returns float32 for float16': async (q, k, v, dO, options) =>
      standardGradients(cast(q, 'float32'), k, v, dO, options),
  }
  test.each(Object.entries(broken))('catch a backend that %s', async (_, attendBackward) => {
    const cases = Object.values(groups).flat()
    expect(await catches(cases, (each) => checkBackward(each, attendBackward))).toBe(true)
  })
})

describe('golden cases', () => {
  test('are all 18, four of them with something to add to the scores besides ALiBi', () => {
    const cases = goldenCases()
    expect(cases).toHaveLength(18)
    expect(cases.filter(({ options }) => options.scoreModifiers).length).toBe(5)
    expect(cases.filter(({ options }) => options.mask).length).toBe(14)
  })

  test.each(positions.t5Buckets)(
    'T5 buckets: bidirectional $bidirectional, $numBuckets to $maxDistance',
    ({ from_: from, buckets, ...options }) => {
      expect(buckets.map((_, index) => t5Bucket(from + index, options))).toEqual(buckets)
    },
  )
})

/** Whether some case rejects. */
async function catches(
  cases: readonly ConformanceCase[],
  check: (each: ConformanceCase) => Promise<void>,
): Promise<boolean> {
  for (const each of cases) {
    try {
      await check(each)
    } catch {
      return true
    }
  }
  return false
}

function without(
  options: AttentionOptions,
  ...names: readonly (keyof AttentionOptions)[]
): AttentionOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => !names.includes(name as keyof AttentionOptions)),
  )
}

function swapped({ output, logSumExp }: AttentionResult): AttentionResult {
  const { shape } = output
  const mixed = cast(permute(output, [0, 2, 1, 3]), output.dtype)
  return { output: { ...output, storage: mixed.storage, shape }, logSumExp }
}

function rounded({ output, logSumExp }: AttentionResult): AttentionResult {
  return { output: cast(cast(output, 'float16'), output.dtype), logSumExp }
}

describe('the yardstick in parts', () => {
  const shape = {
    batch: 1,
    heads: 1,
    kvHeads: 1,
    queryLength: 4,
    keyLength: 96,
    headDim: 8,
    valueDim: 16,
  }
  const make = (length: number, seed: number, dtype: 'float32' | 'float16') =>
    tensorFrom(
      randomNumbers(seed, length * (seed === 3 ? 16 : 8)),
      [1, 1, length, seed === 3 ? 16 : 8],
      dtype,
    )
  const attend = (dtype: 'float32' | 'float16', parts: number) => {
    const inputs = { query: make(4, 1, dtype), key: make(96, 2, dtype), value: make(96, 3, dtype) }
    const options = { sinks: [0.5] }
    const { query, key, value } = inputs
    const exact = standardAttention(
      cast(query, 'float64'),
      cast(key, 'float64'),
      cast(value, 'float64'),
      options,
    )
    const { output } = plainAttention(dtype, shape, inputs, options, 1, parts)
    const wanted = toFloat64Array(exact.output)
    return Math.max(...output.map((entry, place) => Math.abs(entry - wanted[place]!)))
  }

  test('computes the same, and is off by a rounding of the output a part', () => {
    expect(attend('float32', 12)).toBeLessThan(1e-6)
    expect(attend('float16', 12)).toBeGreaterThan(attend('float16', 1))
    expect(attend('float16', 12)).toBeLessThan(12 * attend('float16', 1))
  })
})
