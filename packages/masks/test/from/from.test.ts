import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maskFromBlocks, maskFromMatrix } from '../../src/index.ts'
import { pairs, pairsOf } from '../support/pairs.ts'

describe('maskFromMatrix', () => {
  test('is the matrix, and hides what lies outside', () => {
    const matrix = fc.array(fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }), {
      minLength: 1,
      maxLength: 40,
    })
    fc.assert(
      fc.property(matrix, (rows) => {
        expect(pairsOf(maskFromMatrix(rows), 45)).toEqual(pairs(45, (i, j) => rows[i]?.[j]))
      }),
      { numRuns: 10 },
    )
  })

  test('refuses what is no matrix', () => {
    expect(() => maskFromMatrix([])).toThrow('at least one row')
    expect(() => maskFromMatrix([[1, 0], [1]])).toThrow('got 2 and 1 in row 1')
  })
})

const visible = (query: number, key: number, head: number): boolean =>
  (query * 7 + key * 3 + head) % 4 === 0

describe('maskFromBlocks', () => {
  test('is the predicate over blocks', () => {
    for (const [blockSize, head] of [
      [1, 0],
      [8, 1],
      [16, 5],
    ] as const) {
      const queryBlocks = Math.ceil(130 / blockSize)
      const pattern = maskFromBlocks({ blockSize, queryBlocks, heads: 4 }, visible)
      const block = (position: number): number => Math.floor(position / blockSize)
      expect(pairsOf(pattern, 130, { head })).toEqual(
        pairs(130, (i, j) => visible(block(i), block(j), head % 4)),
      )
    }
  })

  test('can hide later keys, and takes another number of key blocks', () => {
    const options = { blockSize: 4, queryBlocks: 5, keyBlocks: 3, causal: true, name: 'routed' }
    const pattern = maskFromBlocks(options, () => true)
    expect(pattern.name).toBe('routed')
    expect(pairsOf(pattern, 20)).toEqual(pairs(20, (i, j) => j <= i && j < 12))
  })

  test('refuses sizes that are not whole', () => {
    expect(() => maskFromBlocks({ blockSize: 0, queryBlocks: 1 }, () => true)).toThrow(RangeError)
    const none = undefined as unknown as () => boolean
    expect(() => maskFromBlocks({ blockSize: 1, queryBlocks: 1 }, none)).toThrow(TypeError)
  })
})
