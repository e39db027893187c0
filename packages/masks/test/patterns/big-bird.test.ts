import { describe, expect, test } from 'vitest'
import { bigBird, bigBirdTokens } from '../../src/index.ts'
import { names } from '../support/names.ts'
import { pairs, pairsOf, pairsOfParts } from '../support/pairs.ts'
import { range, sample } from '../support/sampling.ts'

const block = (position: number, size: number): number => Math.floor(position / size)

/** The pairs of n tokens by the paper's definition over blocks of b. */
const itc = (n: number, b: number, w: number, r: number, seed: number, head = 0) => {
  const last = Math.ceil(n / b) - 1
  const isGlobal = (at: number): boolean => at === 0 || at === last
  const plan = range(last + 1).map((row) => {
    const others = range(last + 1).filter(
      (at) => !isGlobal(row) && !isGlobal(at) && Math.abs(at - row) > (w - 1) / 2,
    )
    return sample(others, r, { seed, row, head })
  })
  return pairs(n, (i, j) => {
    const [row, column] = [block(i, b), block(j, b)]
    if (isGlobal(row) || isGlobal(column)) return true
    return Math.abs(row - column) <= (w - 1) / 2 || plan[row]!.has(column)
  })
}

describe('bigBird, internal construction', () => {
  test('is window, first and last block, and the plan, for every n up to 130', () => {
    for (const n of range(130).map((before) => before + 1)) {
      const pattern = bigBird({ length: n, blockSize: 8, randomBlocks: 2, seed: 5 })
      expect(pairsOf(pattern, n)).toEqual(itc(n, 8, 3, 2, 5))
    }
  })

  test('draws for each head, with a wider window', () => {
    const options = { length: 120, blockSize: 4, windowBlocks: 5, randomBlocks: 3, heads: 2 }
    const pattern = bigBird(options)
    for (const head of [0, 1, 2]) {
      expect(pairsOf(pattern, 120, { head })).toEqual(itc(120, 4, 5, 3, 0, head % 2))
    }
    expect(names(pattern)).toEqual(['globalKeys', 'globalQueries', 'window', 'random'])
    expect(pairsOfParts(pattern, 120)).toEqual(pairsOf(pattern, 120))
  })

  test('gives a middle query 3 + 2 + r blocks, no block twice', () => {
    const rows = pairsOf(bigBird({ length: 320, blockSize: 16, randomBlocks: 3 }), 320)
    for (const row of rows.slice(32, 288)) {
      expect(row.split('#').length - 1).toBe(16 * 8)
    }
  })

  test('draws from all blocks, also past the first 2r + 5', () => {
    const rows = pairsOf(bigBird({ length: 400, blockSize: 4, randomBlocks: 3 }), 400)
    const late = rows.slice(8, 100).some((row) => row.slice(4 * 50, 4 * 99).includes('#'))
    expect(late).toBe(true)
  })
})

test('bigBird, extended construction: extra tokens first, then window and plan', () => {
  const [n, g, b, r, seed] = [125, 11, 8, 2, 9]
  const blocks = Math.ceil((n - g) / b)
  const plan = range(blocks).map((row) => {
    const others = range(blocks).filter((at) => Math.abs(at - row) > 1)
    return sample(others, r, { seed, row, head: 0 })
  })
  const pattern = bigBird({
    length: n,
    construction: 'etc',
    globalTokens: g,
    blockSize: b,
    randomBlocks: r,
    seed,
  })
  expect(pairsOf(pattern, n)).toEqual(
    pairs(n, (i, j) => {
      if (i < g || j < g) return true
      const [row, column] = [block(i - g, b), block(j - g, b)]
      return Math.abs(row - column) <= 1 || plan[row]!.has(column)
    }),
  )
  const plain = bigBird({ length: n, construction: 'etc', globalTokens: g, blockSize: b })
  expect(names(plain)).toEqual(['globalKeys', 'globalQueries', 'window'])
})

test('bigBirdTokens is window, first tokens and r others', () => {
  for (const [n, g, w, r] of [
    [130, 2, 6, 3],
    [97, 0, 4, 5],
    [64, 5, 0, 0],
    [10, 3, 4, 9],
  ] as const) {
    const drawn = range(n).map((row) => {
      const others = range(n).filter((j) => row >= g && j >= g && Math.abs(row - j) > w / 2)
      return sample(others, r, { seed: 4, row, head: 0 })
    })
    const options = { length: n, globalTokens: g, window: w, randomKeys: r, seed: 4 }
    expect(pairsOf(bigBirdTokens(options), n)).toEqual(
      pairs(n, (i, j) => i < g || j < g || Math.abs(i - j) <= w / 2 || drawn[i]!.has(j)),
    )
  }
})

test('choices that do not fit are refused', () => {
  expect(() => bigBird({ length: 64, windowBlocks: 4 })).toThrow('must be odd, got 4')
  expect(() => bigBird({ length: 64, globalTokens: 4 })).toThrow("needs construction: 'etc'")
  expect(() => bigBird({ length: 64, construction: 'etc' })).toThrow(RangeError)
  expect(() => bigBird({ length: 64, construction: 'etc', globalTokens: 64 })).toThrow('fewer')
  expect(() => bigBird({ length: 64, construction: 'other' as 'itc' })).toThrow(TypeError)
  expect(() => bigBird({ length: 0 })).toThrow(RangeError)
  const tokens = { length: 8, globalTokens: 1, window: 2, randomKeys: 1 }
  expect(() => bigBirdTokens({ ...tokens, window: 3 })).toThrow('must be even')
  expect(() => bigBirdTokens({ ...tokens, randomKeys: -1 })).toThrow(RangeError)
})
