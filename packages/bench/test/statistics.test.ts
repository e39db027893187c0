// Medians: what a figure in the table stands on.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { median, summarize } from '../src/measure/statistics.ts'

const samples = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 })

describe('median', () => {
  test('is the middle of an odd number of samples, between the middle two of an even one', () => {
    expect(median([5])).toBe(5)
    expect(median([9, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
  })

  test('does not depend on the order, nor change it', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const copy = [...values]
        expect(median(values)).toBe(median(values.toReversed()))
        expect(values).toEqual(copy)
      }),
    )
  })

  test('has as many samples below as above', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const middle = median(values)
        const below = values.filter((value) => value < middle).length
        const above = values.filter((value) => value > middle).length
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2)
      }),
    )
  })

  test('refuses nothing and what is no number', () => {
    expect(() => median([])).toThrow('median: needs at least one sample, got none')
    expect(() => median([1, Number.NaN])).toThrow('median: samples must be finite, got [1, NaN]')
  })
})

test('summarize gives the extremes beside the median', () => {
  expect(summarize([3, 1, 2])).toEqual({ median: 2, minimum: 1, maximum: 3 })
})
