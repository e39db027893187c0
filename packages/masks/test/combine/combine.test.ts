import { mask } from '@attn/core'
import type { Mask } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  and,
  causal,
  sameDocument,
  not,
  or,
  perHead,
  prefixLm,
  slidingWindow,
} from '../../src/index.ts'
import { names } from '../support/names.ts'
import { pairs, pairsOf, pairsOfParts } from '../support/pairs.ts'

type Predicate = (i: number, j: number) => boolean

/** Masks beside the sets they stand for. */
const known: readonly (readonly [Mask, Predicate])[] = [
  [causal(), (i, j) => j <= i],
  [slidingWindow(3, 2), (i, j) => i - 3 <= j && j <= i + 2],
  [prefixLm(6), (i, j) => j <= i || j < 6],
  [sameDocument({ lengths: [5, 9, 10] }), (i, j) => (i < 5 ? j < 5 : j >= 5 && i < 14 === j < 14)],
]
const some = fc.array(fc.nat(known.length - 1), { minLength: 1, maxLength: 4 })
const length = 24

test('and, or and not are the algebra of sets', () => {
  fc.assert(
    fc.property(some, (indices) => {
      const masks = indices.map((index) => known[index]![0])
      const sets = indices.map((index) => known[index]![1])
      expect(pairsOf(and(...masks), length)).toEqual(
        pairs(length, (i, j) => sets.every((set) => set(i, j))),
      )
      expect(pairsOf(or(...masks), length)).toEqual(
        pairs(length, (i, j) => sets.some((set) => set(i, j))),
      )
      expect(pairsOf(not(or(...masks)), length)).toEqual(
        pairs(length, (i, j) => !sets.some((set) => set(i, j))),
      )
      expect(pairsOfParts(and(...masks), length)).toEqual(pairsOf(and(...masks), length))
      expect(pairsOfParts(or(...masks), length)).toEqual(pairsOf(or(...masks), length))
    }),
    { numRuns: 30 },
  )
})

test('perHead deals its masks to the heads in turn', () => {
  fc.assert(
    fc.property(some, fc.nat(9), (indices, head) => {
      const [, set] = known[indices[head % indices.length]!]!
      const mixed = perHead(indices.map((index) => known[index]![0]))
      expect(pairsOf(mixed, length, { head })).toEqual(pairs(length, set))
      expect(pairsOfParts(mixed, length, { head })).toEqual(pairsOf(mixed, length, { head }))
    }),
    { numRuns: 30 },
  )
})

test('parts keep their names through combinators', () => {
  expect(names(or(prefixLm(2), slidingWindow(1)))).toEqual(['causal', 'prefix', 'slidingWindow'])
  expect(names(and(sameDocument({ lengths: [4] }), prefixLm(2)))).toEqual(['causal', 'prefix'])
  expect(names(perHead([prefixLm(2), causal()]))).toEqual(['causal', 'prefix', 'causal'])
})

describe('names', () => {
  test('say what was combined', () => {
    expect(and(causal(), slidingWindow(2)).name).toBe('causalAndSlidingWindow')
    expect(or(causal(), slidingWindow(2)).name).toBe('causalOrSlidingWindow')
    expect(not(causal()).name).toBe('notCausal')
  })

  test('fall back to the operation when they would be too long', () => {
    const long = mask('a'.repeat(60), ({ query, key }) => query.eq(key))
    expect(and(long, long).name).toBe('and')
    expect(or(long, long).name).toBe('or')
    expect(not(mask('a'.repeat(63), ({ query, key }) => query.eq(key))).name).toBe('not')
  })
})

test('what is not a mask is refused', () => {
  expect(() => and()).toThrow('and: need at least one mask, got none')
  expect(() => perHead([])).toThrow(RangeError)
  expect(() => or(causal(), 'causal' as unknown as Mask)).toThrow(TypeError)
  expect(() => not(null as unknown as Mask)).toThrow('got null')
})
