import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  flashAttention,
  mask,
  scoreModifier,
  standardAttention,
  tensor,
  toFloat64Array,
  zeros,
} from '../../src/index.ts'
import type { Tensor } from '../../src/index.ts'
import { fill, largestError } from '../conformance/index.ts'
import { standardGradients } from '../conformance/index.ts'

/** One more row of zeros, key S, after the keys. */
function withZeroRow(view: Tensor): Tensor {
  const [batch, heads, length, dim] = view.shape as [number, number, number, number]
  const longer = new Float64Array(batch * heads * (length + 1) * dim)
  for (let head = 0; head < batch * heads; head++) {
    const rows = view.storage.subarray(head * length * dim, (head + 1) * length * dim)
    longer.set(rows, head * (length + 1) * dim)
  }
  return tensor(longer, [batch, heads, length + 1, dim])
}

describe('attention sinks', () => {
  test('are one more key with that score and value 0', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.double({ min: -30, max: 30, noNaN: true }),
        (seed, sink) => {
          const query = fill(seed, [2, 2, 5, 4], 2, 'float64')
          const key = fill(seed + 1, [2, 2, 6, 4], 2, 'float64')
          const value = fill(seed + 2, [2, 2, 6, 3], 2, 'float64')
          const visible = mask('visible', ({ query: q, key: k }) => k.mod(3).ne(q).or(k.eq(6)))
          const asScore = scoreModifier('asScore', (score, { head, key: k }) =>
            k.eq(6).select(head.eq(0).select(sink, 1.5), score),
          )
          const actual = standardAttention(query, key, value, {
            mask: visible,
            sinks: [sink, 1.5],
          })
          const expected = standardAttention(query, withZeroRow(key), withZeroRow(value), {
            mask: visible,
            scoreModifiers: [asScore],
            queryOffset: 1,
          })
          expect(largestError(actual.output.storage, expected.output.storage)).toBeLessThan(1e-13)
          expect(largestError(actual.logSumExp.storage, expected.logSumExp.storage)).toBeLessThan(
            1e-13,
          )
        },
      ),
    )
  })

  test('a row that sees only its sink has output 0 and the sink as logSumExp', () => {
    const x = fill(1, [1, 2, 3, 2], 1, 'float64')
    const nothing = mask('nothing', ({ key }) => key.lt(0))
    for (const loopOrder of ['queries-outside', 'keys-outside'] as const) {
      const { output, logSumExp } = flashAttention(x, x, x, {
        mask: nothing,
        sinks: [2.5, -Infinity],
        loopOrder,
      })
      expect(toFloat64Array(output).every((value) => value === 0)).toBe(true)
      const none = -Infinity
      expect([...toFloat64Array(logSumExp)]).toEqual([2.5, 2.5, 2.5, none, none, none])
    }
  })

  test('-Infinity is no sink, in gradients too', () => {
    const x = fill(1, [1, 1, 3, 2], 1, 'float64')
    const none = standardGradients(x, x, x, x)
    const infinite = standardGradients(x, x, x, x, { sinks: [-Infinity] })
    expect(infinite.dQuery).toEqual(none.dQuery)
    expect([...infinite.dSinks!]).toEqual([0])
  })

  test('are read through the strides of a tensor', () => {
    const x = fill(1, [1, 2, 3, 2], 1, 'float64')
    const sinks = tensor(Float32Array.of(9, 1, 9, 2), [2], { strides: [2], offset: 1 })
    expect(standardAttention(x, x, x, { sinks })).toEqual(
      standardAttention(x, x, x, { sinks: [1, 2] }),
    )
  })

  test.each([
    [[1], 'sinks must be one number for each of 2 query heads, got shape [1]'],
    [zeros([2, 1]), 'sinks must be one number for each of 2 query heads, got shape [2, 1]'],
    [[1, Number.NaN], 'sinks must be numbers or -Infinity, got NaN'],
    [[Infinity, 0], 'sinks must be numbers or -Infinity, got Infinity'],
  ])('refuses %j', (sinks, message) => {
    const x = zeros([1, 2, 1, 1])
    expect(() => standardAttention(x, x, x, { sinks })).toThrow(
      new RangeError(`standardAttention: ${message}`),
    )
  })
})
