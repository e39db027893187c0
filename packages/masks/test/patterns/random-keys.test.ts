import { describe, expect, test } from 'vitest'
import { randomKeys } from '../../src/index.ts'
import { pairs, pairsOf } from '../support/pairs.ts'
import { range, sample } from '../support/sampling.ts'

const block = (position: number, size: number): number => Math.floor(position / size)

const draw = (seed: number): string[] => pairsOf(randomKeys({ length: 60, count: 4, seed }), 60)

describe('randomKeys', () => {
  test.each([
    { length: 130, count: 3, blockSize: 1, seed: 7, causal: false, head: 0 },
    { length: 130, count: 5, blockSize: 1, seed: 7, causal: true, head: 1 },
    { length: 128, count: 2, blockSize: 16, seed: 1, causal: false, head: 2 },
    { length: 121, count: 3, blockSize: 8, seed: 2, causal: true, head: 5 },
    { length: 3, count: 9, blockSize: 1, seed: 2, causal: false, head: 0 },
  ])('is what a second implementation draws: %j', ({ head, ...options }) => {
    const { length, count, blockSize, seed, causal } = options
    const blocks = Math.ceil(length / blockSize)
    const drawn = range(blocks).map((row) =>
      sample(range(causal ? row + 1 : blocks), count, { seed, row, head: head % 3 }),
    )
    expect(pairsOf(randomKeys({ ...options, heads: 3 }), length, { head })).toEqual(
      pairs(
        length,
        (i, j) => drawn[block(i, blockSize)]!.has(block(j, blockSize)) && (!causal || j <= i),
      ),
    )
  })

  test('gives another draw for another seed, and the same for the same', () => {
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })

  test('draws keys of a sequence of another length', () => {
    const pattern = randomKeys({ length: 20, keyLength: 50, count: 4 })
    const rows = range(20).map((row) => sample(range(50), 4, { seed: 0, row, head: 0 }))
    expect(pairsOf(pattern, 50).slice(0, 20)).toEqual(pairs(20, (i, j) => rows[i]!.has(j), 50))
  })

  test('causal rows are never empty, even where there is less to draw than asked for', () => {
    const rows = pairsOf(randomKeys({ length: 64, count: 3, causal: true }), 64)
    expect(rows.every((row) => row.includes('#'))).toBe(true)
  })

  test('refuses what is not whole', () => {
    expect(() => randomKeys({ length: 0, count: 1 })).toThrow(RangeError)
    expect(() => randomKeys({ length: 4, count: 0 })).toThrow(RangeError)
    expect(() => randomKeys({ length: 4, count: 1, seed: -1 })).toThrow(RangeError)
    expect(() => randomKeys({ length: 4, count: 1, seed: 0.5 })).toThrow(RangeError)
  })
})
