import { integerParameter, compile } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { causal, sameDocument, prefixLm, slidingWindow } from '../../src/index.ts'
import { pairs, pairsOf, pairsOfParts } from '../support/pairs.ts'

const longest = 130

test('causal is {j : j <= i}', () => {
  expect(pairsOf(causal(), longest)).toEqual(pairs(longest, (i, j) => j <= i))
})

describe('slidingWindow', () => {
  test('is {j : i - left <= j <= i + right}', () => {
    fc.assert(
      fc.property(fc.nat(140), fc.nat(140), (left, right) => {
        expect(pairsOf(slidingWindow(left, right), longest)).toEqual(
          pairs(longest, (i, j) => i - left <= j && j <= i + right),
        )
      }),
      { numRuns: 12 },
    )
  })

  test('leaves a side open at Infinity', () => {
    expect(pairsOf(slidingWindow(Infinity), 20)).toEqual(pairs(20, (i, j) => j <= i))
    expect(pairsOf(slidingWindow(3, Infinity), 20)).toEqual(pairs(20, (i, j) => j >= i - 3))
    expect(pairsOf(slidingWindow(Infinity, Infinity), 20)).toEqual(pairs(20, () => true))
  })

  test('refuses what is not a whole number', () => {
    expect(() => slidingWindow(-1)).toThrow(
      'slidingWindow: left must be a whole number of at least 0, got -1',
    )
    expect(() => slidingWindow(1, 0.5)).toThrow(RangeError)
    expect(() => slidingWindow(Number.NaN)).toThrow(RangeError)
  })
})

describe('prefixLm', () => {
  test('is {j : j < prefix or j <= i}', () => {
    for (const prefix of [0, 1, 7, 64, 129, 130, 500]) {
      expect(pairsOf(prefixLm(prefix), longest)).toEqual(
        pairs(longest, (i, j) => j < prefix || j <= i),
      )
    }
  })

  test('takes a prefix for each sequence', () => {
    const lengths = [0, 5, 9]
    lengths.forEach((prefix, batch) =>
      expect(pairsOf(prefixLm(lengths), 12, { batch })).toEqual(
        pairs(12, (i, j) => j < prefix || j <= i),
      ),
    )
  })

  test('takes a parameter', () => {
    const { expression } = prefixLm(integerParameter('prefix', { minimum: 0, maximum: 100 }))
    const allows = compile(expression, { parameters: { prefix: 3 } })
    expect([2, 3].map((key) => allows({ query: 0, key }))).toEqual([1, 0])
  })

  test('names its parts', () => {
    expect(prefixLm(3).components.map(({ name }) => name)).toEqual(['causal', 'prefix'])
    expect(pairsOfParts(prefixLm(3), 12)).toEqual(pairsOf(prefixLm(3), 12))
  })

  test('refuses lengths that are not whole', () => {
    expect(() => prefixLm(-1)).toThrow(RangeError)
    expect(() => prefixLm([1, 2.5])).toThrow('got 2.5 at 1')
  })
})

describe('document', () => {
  test('is {j : document(j) = document(i)}, from lengths', () => {
    const lengths = fc.array(fc.nat(30), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(lengths, (sizes) => {
        const owner = sizes.flatMap((size, index) => Array<number>(size).fill(index))
        fc.pre(owner.length > 0 && owner.length <= longest)
        expect(pairsOf(sameDocument({ lengths: sizes }), owner.length)).toEqual(
          pairs(owner.length, (i, j) => owner[i] === owner[j]),
        )
      }),
      { numRuns: 20 },
    )
  })

  test('is {j : document(j) = document(i)}, from ids, padding hidden', () => {
    const ids = fc.array(fc.integer({ min: -1, max: 4 }), { minLength: 1, maxLength: longest })
    fc.assert(
      fc.property(ids, (owner) => {
        expect(pairsOf(sameDocument({ ids: owner }), owner.length)).toEqual(
          pairs(owner.length, (i, j) => owner[i] === owner[j] && owner[i]! >= 0),
        )
      }),
      { numRuns: 20 },
    )
  })

  test('takes a layout for each sequence of the batch', () => {
    const packed = sameDocument({ lengths: [[4, 2], Int32Array.of(1, 2, 3)] })
    expect(pairsOf(packed, 6, { batch: 0 })).toEqual(pairs(6, (i, j) => i < 4 === j < 4))
    const owner = [0, 1, 1, 2, 2, 2]
    expect(pairsOf(packed, 6, { batch: 1 })).toEqual(pairs(6, (i, j) => owner[i] === owner[j]))
  })

  test('refuses layouts that make no sequence', () => {
    expect(() => sameDocument({ lengths: [] })).toThrow('sameDocument: need at least one position')
    expect(() => sameDocument({ lengths: [-1] })).toThrow(RangeError)
    expect(() => sameDocument({ ids: [[0, 1], [0]] })).toThrow('got 2 and 1')
    expect(() => sameDocument({ ids: [0.5] })).toThrow(RangeError)
  })
})
