import { compile, dependencies } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { t5Bias, t5Bucket } from '../src/index.ts'
import { goldenBuckets } from './golden.ts'

describe('t5Bucket', () => {
  test.each(goldenBuckets)(
    'bidirectional $bidirectional, $numBuckets buckets up to $maxDistance: all of transformers’',
    ({ bidirectional, numBuckets, maxDistance, from_, to, buckets }) => {
      const options = { bidirectional, buckets: numBuckets, maxDistance }
      const ours = buckets.map((_, index) => t5Bucket(from_ + index, options))
      expect(ours).toEqual(buckets)
      expect(from_ + buckets.length - 1).toBe(to)
    },
  )

  test('decides 16, 32 and 64 exactly, where the logarithm is a whole number', () => {
    const boundaries = [15, 16, 31, 32, 63, 64]
    expect(boundaries.map((distance) => t5Bucket(-distance, { bidirectional: true }))).toEqual([
      9, 10, 11, 12, 13, 14,
    ])
    const starts = [16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]
    starts.forEach((distance, index) => {
      expect(t5Bucket(-distance, { bidirectional: false })).toBe(16 + index)
      expect(t5Bucket(1 - distance, { bidirectional: false })).toBe(15 + index)
    })
  })

  test('agrees with the logarithm wherever that is not near a boundary', () => {
    const options = fc.record({
      buckets: fc.integer({ min: 4, max: 80 }),
      reach: fc.integer({ min: 1, max: 400 }),
      distance: fc.integer({ min: 0, max: 600 }),
      bidirectional: fc.boolean(),
    })
    fc.assert(
      fc.property(options, ({ buckets, reach, distance, bidirectional }) => {
        const oneSide = bidirectional ? Math.floor(buckets / 2) : buckets
        const exact = Math.floor(oneSide / 2)
        const maxDistance = exact + reach
        const logarithmic =
          (Math.log(distance / exact) / Math.log(maxDistance / exact)) * (oneSide - exact)
        fc.pre(distance < exact || Math.abs(logarithmic - Math.round(logarithmic)) > 1e-9)
        const expected =
          distance < exact ? distance : Math.min(exact + Math.floor(logarithmic), oneSide - 1)
        expect(t5Bucket(-distance, { buckets, maxDistance, bidirectional })).toBe(expected)
      }),
    )
  })

  test.each([
    { buckets: 1, bidirectional: false },
    { buckets: 3, bidirectional: true },
    { buckets: 32, maxDistance: 16, bidirectional: false },
    { buckets: 32, maxDistance: 40.5, bidirectional: false },
  ])('refuses %j', (options) => {
    expect(() => t5Bucket(0, options)).toThrow(RangeError)
  })

  test('refuses a missing direction and a fractional position', () => {
    expect(() => t5Bucket(0, {} as { bidirectional: boolean })).toThrow(TypeError)
    expect(() => t5Bucket(0.5, { bidirectional: true })).toThrow(RangeError)
  })
})

describe('t5Bias', () => {
  test.each([true, false])('adds the bucket’s entry of the head; bidirectional %s', (both) => {
    const options = { buckets: 16, maxDistance: 20, bidirectional: both }
    const heads = 3
    const table = Float64Array.from({ length: 16 * heads }, (_, index) => index + 1)
    const modified = compile(t5Bias({ heads, table, ...options }).expression)
    for (let query = 0; query < 40; query += 3) {
      for (let key = 0; key < 40; key++) {
        const bucket = t5Bucket(key - query, options)
        expect(modified({ score: 0.5, head: 2, query, key })).toBe(0.5 + bucket * heads + 3)
      }
    }
  })

  test('looks buckets up: no logarithm reaches a backend', () => {
    const bias = t5Bias({ heads: 2, bidirectional: true })
    const { tables } = dependencies(bias.expression.node)
    expect(JSON.stringify(bias.expression.node)).not.toContain('"log"')
    expect(tables.map(({ name, type, trainable }) => [name, type, trainable])).toEqual([
      ['t5Bias', 'float', true],
      ['t5Buckets', 'integer', false],
    ])
    expect(tables[1]!.shape).toEqual([129])
  })

  test('keeps the table it is given, so training may change it in place', () => {
    const table = new Float32Array(32)
    const bias = t5Bias({ heads: 1, bidirectional: false, table })
    const modified = compile(bias.expression)
    table[3] = 7
    expect(bias.table.values).toBe(table)
    expect(modified({ score: 0, head: 0, query: 5, key: 2 })).toBe(7)
  })

  test('refuses heads and tables that do not fit', () => {
    expect(() => t5Bias({ heads: 0, bidirectional: true })).toThrow(RangeError)
    expect(() => t5Bias({ heads: 2, bidirectional: true, table: [1, 2, 3] })).toThrow(
      /table must hold buckets \* heads = 64 numbers, got 3/,
    )
  })
})
