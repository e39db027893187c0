import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  biasFromTensor,
  mergeAttention,
  slice,
  standardAttention,
  tensorFrom,
  zeros,
} from '../../src/index.ts'
import type { AttentionResult, Tensor } from '../../src/index.ts'
import { fill, largestError, mergeCases, mergeProblems } from '../conformance/index.ts'

function distance(actual: AttentionResult, expected: AttentionResult): number {
  return Math.max(
    largestError(actual.output.storage, expected.output.storage),
    largestError(actual.logSumExp.storage, expected.logSumExp.storage),
  )
}

/** What attention over no keys at all gives. */
function nothing(query: Tensor, valueDim: number): AttentionResult {
  const [batch, heads, queryLength] = query.shape as [number, number, number]
  const logSumExp = zeros([batch, heads, queryLength], 'float64')
  logSumExp.storage.fill(-Infinity)
  return { output: zeros([batch, heads, queryLength, valueDim], 'float64'), logSumExp }
}

describe('mergeAttention', () => {
  test.each(mergeCases())('$name', async (each) => {
    expect(await mergeProblems(each, async (parts) => mergeAttention(parts))).toEqual([])
  })

  test('parts over disjoint keys, in any order and grouping, make the whole', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.nat(30), { maxLength: 4 }),
        fc.double({ min: 0.1, max: 200, noNaN: true }),
        (seed, keys, cuts, scale) => {
          const query = fill(seed, [2, 2, 3, 4], 2, 'float64')
          const key = fill(seed + 1, [2, 1, keys, 4], 2, 'float64')
          const value = fill(seed + 2, [2, 1, keys, 3], 1, 'float64')
          const bounds = [0, ...cuts.map((cut) => Math.min(cut, keys)).sort((a, b) => a - b), keys]
          const parts = bounds.slice(1).map((end, index) => {
            const start = bounds[index]!
            if (start === end) return nothing(query, 3)
            return standardAttention(
              query,
              slice(key, 2, start, end),
              slice(value, 2, start, end),
              {
                scale,
              },
            )
          })
          const whole = standardAttention(query, key, value, { scale })
          // A rounding of the scores, which grow with the scale, changes the weights by as much.
          const allowed = 1e-13 + 1e-15 * scale
          expect(distance(mergeAttention(parts), whole)).toBeLessThan(allowed)
          expect(distance(mergeAttention(parts.toReversed()), whole)).toBeLessThan(allowed)
          const [first, ...rest] = parts
          expect(
            distance(mergeAttention([first!, mergeAttention([...rest, nothing(query, 3)])]), whole),
          ).toBeLessThan(allowed)
        },
      ),
    )
  })

  test('one part is returned as it was, and nothing merges to nothing', () => {
    const query = fill(1, [1, 2, 5, 4], 2, 'float64')
    expect(distance(mergeAttention([nothing(query, 4)]), nothing(query, 4))).toBeLessThan(1e-13)
    expect(
      distance(mergeAttention([nothing(query, 4), nothing(query, 4)]), nothing(query, 4)),
    ).toBeLessThan(1e-13)
    const part = standardAttention(query, query, query)
    expect(distance(mergeAttention([part]), part)).toBeLessThan(1e-13)
  })

  test('an infinite part does not poison the rows of others, and NaN stays visible', () => {
    const query = fill(1, [1, 1, 2, 1], 2, 'float64')
    const part = standardAttention(query, query, query)
    const spoilt = nothing(query, 1)
    spoilt.logSumExp.storage[1] = Number.NaN
    const { output } = mergeAttention([part, spoilt])
    expect(output.storage[0]).toBe(part.output.storage[0])
    expect(output.storage[1]).toBeNaN()
  })

  test('refuses no parts and parts that do not match', () => {
    const part = nothing(zeros([1, 2, 3, 4]), 4)
    expect(() => mergeAttention([])).toThrow(
      new RangeError('mergeAttention: need at least one part, got none'),
    )
    expect(() => mergeAttention([part, nothing(zeros([1, 2, 3, 4]), 5)])).toThrow(
      'mergeAttention: all outputs must have one shape, got [1, 2, 3, 4] and [1, 2, 3, 5]',
    )
    expect(() => mergeAttention([{ ...part, logSumExp: zeros([1, 2, 4]) }])).toThrow(
      'mergeAttention: logSumExp must have shape [1, 2, 3], got [1, 2, 4]',
    )
  })

  // The limit that docs/guide/conventions.md states: even float64 holds no log(3) beside -3.4e38.
  test('weighs parts of the lowest scores alike, whatever the number of their keys', () => {
    const lowest = biasFromTensor(Float32Array.of(-3.4028234663852886e38), [1, 1, 1, 1])
    const query = tensorFrom([1], [1, 1, 1, 1], 'float64')
    const over = (values: readonly number[], bias: boolean) => {
      const value = tensorFrom(values, [1, 1, values.length, 1], 'float64')
      const key = zeros([1, 1, values.length, 1], 'float64')
      return standardAttention(query, key, value, bias ? { scoreModifiers: [lowest] } : {})
    }
    const merged = (bias: boolean) =>
      mergeAttention([over([8], bias), over([0, 0, 0], bias)]).output.storage[0]
    expect(over([8, 0, 0, 0], true).output.storage[0]).toBe(2)
    expect(merged(false)).toBeCloseTo(2, 12)
    expect(merged(true)).toBe(4)
  })
})
