import { describe, expect, test } from 'vitest'
import {
  attentionWeights,
  cast,
  maskFromTensor,
  scoreModifier,
  standardAttention,
  tensorFrom,
  toFloat64Array,
  zeros,
} from '../../src/index.ts'
import type { Tensor } from '../../src/index.ts'
import { causal } from '../conformance/patterns.ts'
import { fill, goldenCases, goldenInputs, largestError } from '../conformance/index.ts'

const row = (...values: number[]): Tensor => tensorFrom(values, [1, 1, values.length, 1], 'float64')
const numbers = (view: Tensor): number[] => [...toFloat64Array(view)]

describe('standardAttention', () => {
  test.each(goldenCases())('float64 to all digits: $name', (golden) => {
    const { query, key, value } = goldenInputs(golden, 'float64')
    const { output, logSumExp } = standardAttention(query, key, value, golden.options)
    expect(largestError(toFloat64Array(output), golden.output)).toBeLessThan(1e-8)
    expect(largestError(toFloat64Array(logSumExp), golden.logSumExp)).toBeLessThan(2e-8)
  })

  test('a case done by hand', () => {
    // Scores ln 1, ln 2, ln 5: probabilities 1/8, 2/8, 5/8.
    const key = row(0, Math.log(2), Math.log(5))
    const result = standardAttention(row(1), key, row(8, 4, 16))
    expect(numbers(result.output)[0]).toBeCloseTo(12, 12)
    expect(numbers(result.logSumExp)[0]).toBeCloseTo(Math.log(8), 12)
    expect(largestError(result.probabilities.storage, [1 / 8, 2 / 8, 5 / 8])).toBeLessThan(1e-15)
    expect(result.scores.storage).toEqual(key.storage)
  })

  test('returns S with -Infinity and P with 0 where a pair is hidden', () => {
    const zero = row(0, 0, 0)
    const { scores, probabilities } = standardAttention(zero, zero, zero, { mask: causal })
    const hidden = -Infinity
    expect(numbers(scores)).toEqual([0, hidden, hidden, 0, 0, hidden, 0, 0, 0])
    expect(numbers(probabilities)).toEqual([1, 0, 0, 1 / 2, 1 / 2, 0, 1 / 3, 1 / 3, 1 / 3])
    expect(scores.shape).toEqual([1, 1, 3, 3])
  })

  test.each([
    ['float16', 'float32'],
    ['float32', 'float32'],
    ['float64', 'float64'],
  ] as const)('%s inputs give outputs of that type and a %s logSumExp', (dtype, sumType) => {
    const x = zeros([1, 1, 2, 3], dtype)
    const { output, logSumExp } = standardAttention(x, x, x)
    expect([output.dtype, logSumExp.dtype]).toEqual([dtype, sumType])
  })

  test('the output has the type of the query, whatever keys and values have', () => {
    const query = zeros([1, 1, 2, 3], 'float64')
    const { output, logSumExp } = standardAttention(query, cast(query, 'float16'), query)
    expect([output.dtype, logSumExp.dtype]).toEqual(['float64', 'float32'])
  })

  test('a row that sees nothing is 0 with logSumExp -Infinity', () => {
    const mask = maskFromTensor([1, 0], [1, 1, 2, 1])
    const { output, logSumExp } = standardAttention(row(1, 1), row(1, 1), row(2, 2), { mask })
    expect(numbers(output)).toEqual([2, 0])
    expect(numbers(logSumExp)[1]).toBe(-Infinity)
  })

  test('hidden keys and values are never counted, even if they are NaN', () => {
    const spoilt = row(1, Number.NaN, 3)
    const mask = maskFromTensor([1, 0, 1], [1, 1, 1, 3])
    const { output } = standardAttention(row(0), row(0, Number.NaN, 0), spoilt, { mask })
    expect(numbers(output)).toEqual([2])
  })

  test('modifiers are not asked about hidden pairs', () => {
    // The square root of a negative distance is NaN; the causal mask keeps it away.
    const root = scoreModifier('root', (score, { query, key }) =>
      score.add(query.sub(key).toFloat().sqrt()),
    )
    const zero = row(0, 0, 0)
    const options = { mask: causal, scoreModifiers: [root] }
    const { output } = standardAttention(zero, zero, row(1, 1, 1), options)
    expect(largestError(numbers(output), [1, 1, 1])).toBeLessThan(1e-15)
  })

  test('a NaN or +Infinity score makes its own row NaN and no other', () => {
    for (const poison of [Number.NaN, Infinity]) {
      const { output, logSumExp } = standardAttention(row(poison, 1), row(1, 2), row(1, 1))
      expect(numbers(output)[0]).toBeNaN()
      expect(numbers(logSumExp)[0]).toBeNaN()
      expect(numbers(output)[1]).toBe(1)
    }
  })

  test('hidden pairs have the probability 0, in a row of NaN as well', () => {
    for (const poison of [Number.NaN, Infinity]) {
      const query = row(poison, 1)
      const { probabilities } = standardAttention(query, row(1, 2), row(1, 1), { mask: causal })
      const weights = attentionWeights(query, row(1, 2), { mask: causal })
      for (const [first, hidden, ...others] of [numbers(probabilities), numbers(weights)]) {
        expect(first).toBeNaN()
        expect(hidden).toBe(0)
        expect(others.reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 6)
      }
    }
  })

  test('does not change its inputs', () => {
    const query = fill(1, [1, 2, 5, 4])
    const before = [...query.storage]
    standardAttention(query, query, query, { mask: causal })
    expect([...query.storage]).toEqual(before)
  })

  test('names itself and the rule in errors', () => {
    const x = zeros([1, 2, 3, 4])
    expect(() => standardAttention(x, zeros([1, 2, 3, 5]), x)).toThrow(
      new RangeError('standardAttention: query and key dims must match, got 4 and 5'),
    )
    expect(() => standardAttention(x, x, x, { parameters: { window: 3 } })).toThrow(
      'standardAttention: no mask or score modifier uses the parameter window',
    )
  })
})
