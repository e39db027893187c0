import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile } from '@attn/core'
import { componentsOf, sharedPrefix, tree } from '../../src/index.ts'
import { pairs, pairsOf, pairsOfParts } from '../support/pairs.ts'

/** A parent, or -1, for each of up to 60 nodes. */
const trees = fc
  .array(fc.nat(1000), { minLength: 1, maxLength: 60 })
  .map((draws) => draws.map((draw, node) => (draw % (node + 1)) - 1))

const ancestorsOf = (parents: readonly number[], node: number): number[] =>
  node < 0 ? [] : [node, ...ancestorsOf(parents, parents[node]!)]

test('tree is {i and its ancestors}, in whatever order the nodes come', () => {
  fc.assert(
    fc.property(trees, fc.nat(20), (parents, prefixLength) => {
      const pattern = tree(parents, { prefixLength })
      const length = prefixLength + parents.length
      const expected = pairs(length, (i, j) =>
        j < prefixLength
          ? j <= i
          : ancestorsOf(parents, i - prefixLength).includes(j - prefixLength),
      )
      expect(pairsOf(pattern, length)).toEqual(expected)
      expect(pairsOfParts(pattern, length)).toEqual(expected)
    }),
    { numRuns: 30 },
  )
})

test('before queries: the rows of the call are the nodes, behind whatever there is', () => {
  fc.assert(
    fc.property(trees, fc.nat(20), (parents, prefixLength) => {
      const pattern = tree(parents, { prefixLength: 'before queries' })
      const fixed = compile(tree(parents, { prefixLength }).expression)
      const length = prefixLength + parents.length
      const sizes = { batch: 0, head: 0, heads: 1, queryLength: parents.length, keyLength: length }
      for (const part of [pattern, ...componentsOf(pattern)]) {
        const allows = compile(part.expression)
        for (let row = 0; row < parents.length; row++) {
          for (let key = 0; key < length; key++) {
            const point = { ...sizes, query: prefixLength + row, queryIndex: row, key }
            const wanted =
              fixed(point) &&
              (part === pattern || part.name !== (key < prefixLength ? 'ancestors' : 'prefix'))
            expect(Boolean(allows(point))).toBe(Boolean(wanted))
          }
        }
      }
    }),
    { numRuns: 10 },
  )
})

test('a chain is causal attention, a star is not', () => {
  const chain = Array.from({ length: 130 }, (_, node) => node - 1)
  expect(pairsOf(tree(chain), 130)).toEqual(pairs(130, (i, j) => j <= i))
  expect(pairsOf(tree([-1, 0, 0, 0]), 4)).toEqual(pairs(4, (i, j) => j === 0 || i === j))
})

test('what is no tree is refused', () => {
  expect(() => tree([])).toThrow('at least one node')
  expect(() => tree([-1, 1])).toThrow('a parent must come before its child or be -1, got 1 at 1')
  expect(() => tree([-1, 0.5])).toThrow(RangeError)
  expect(() => tree([-1], { prefixLength: -1 })).toThrow(RangeError)
})

test('sharedPrefix is {j <= i : j < prefix or branch(j) = branch(i)}', () => {
  const lengths = fc.array(fc.nat(20), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(fc.nat(30), lengths, (prefixLength, sizes) => {
      const branch = sizes.flatMap((size, index) => Array<number>(size).fill(index))
      fc.pre(branch.length > 0)
      const at = (position: number): number => branch[position - prefixLength] ?? -1
      const length = prefixLength + branch.length
      const pattern = sharedPrefix({ prefixLength, lengths: sizes })
      const expected = pairs(length, (i, j) => j <= i && (j < prefixLength || at(i) === at(j)))
      expect(pairsOf(pattern, length)).toEqual(expected)
      expect(pairsOfParts(pattern, length)).toEqual(expected)
    }),
    { numRuns: 20 },
  )
  expect(() => sharedPrefix({ prefixLength: 4, lengths: [0] })).toThrow('at least one token')
  expect(() => sharedPrefix({ prefixLength: -1, lengths: [1] })).toThrow(RangeError)
})
