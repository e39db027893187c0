import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { globalTokens } from '../../src/index.ts'
import { pairs, pairsOf, pairsOfParts } from '../support/pairs.ts'

const length = 130

test('globalTokens is {(i, j) : i in G or j in G}, for G in one piece or in many', () => {
  const positions = fc.uniqueArray(fc.nat(length - 1), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(positions, (tokens) => {
      const pattern = globalTokens(tokens)
      const expected = pairs(length, (i, j) => tokens.includes(i) || tokens.includes(j))
      expect(pairsOf(pattern, length)).toEqual(expected)
      expect(pairsOfParts(pattern, length)).toEqual(expected)
    }),
    { numRuns: 12 },
  )
})

test('a number means that many from the start', () => {
  expect(pairsOf(globalTokens(3), 20)).toEqual(pairs(20, (i, j) => i < 3 || j < 3))
})

test('one direction can be left out', () => {
  expect(pairsOf(globalTokens([1, 5], { asQueries: false }), 9)).toEqual(
    pairs(9, (_, j) => j === 1 || j === 5),
  )
  expect(pairsOf(globalTokens([1, 5], { asKeys: false }), 9)).toEqual(
    pairs(9, (i) => i === 1 || i === 5),
  )
})

test('what is no set of tokens is refused', () => {
  expect(() => globalTokens([])).toThrow('at least one token')
  expect(() => globalTokens(0)).toThrow(RangeError)
  expect(() => globalTokens([1, -2])).toThrow('got -2 at 1')
  expect(() => globalTokens(1, { asKeys: false, asQueries: false })).toThrow('neither')
})
