import { describe, expect, test } from 'vitest'
import {
  balancedStride,
  causal,
  factorization,
  fixed,
  slidingWindow,
  strided,
} from '../../src/index.ts'
import { names } from '../support/names.ts'
import { pairs, pairsOf, pairsOfParts } from '../support/pairs.ts'

const longest = 130
const strides = [1, 2, 4, 8, 11, 64, 130]

const within = (j: number, i: number, reach: number): boolean => j <= i && i - j <= reach
const same = (i: number, j: number, size: number): boolean =>
  j <= i && Math.floor(i / size) === Math.floor(j / size)

describe('strided', () => {
  test('has the index sets of the paper', () => {
    for (const l of strides) {
      const [first, second] = strided(l).heads
      // A_i(1) = {t, t + 1, .., i} for t = max(0, i - l).
      const previous = pairs(longest, (i, j) => Math.max(0, i - l) <= j && j <= i)
      // A_i(2) = {j : (i - j) mod l = 0}, of which those up to i.
      const everyLth = pairs(longest, (i, j) => j <= i && (i - j) % l === 0)
      expect(pairsOf(first!, longest)).toEqual(previous)
      expect(pairsOf(second!, longest)).toEqual(everyLth)
    }
  })

  test('with p heads moves by one digit of the distance a head', () => {
    const l = 4
    const [first, second, third] = strided(l, { heads: 3 }).heads
    expect(pairsOf(first!, longest)).toEqual(pairs(longest, (i, j) => within(j, i, 4)))
    expect(pairsOf(second!, longest)).toEqual(
      pairs(longest, (i, j) => within(j, i, 16) && (i - j) % 4 === 0),
    )
    expect(pairsOf(third!, longest)).toEqual(pairs(longest, (i, j) => j <= i && (i - j) % 16 === 0))
  })

  test('is valid in every order, for any p', () => {
    for (const [l, p, n] of [
      [8, 2, 64],
      [7, 2, 64],
      [4, 3, 64],
      [3, 4, 81],
      [9, 1, 30],
    ] as const) {
      const { heads, isValid } = strided(l, { heads: p })
      expect(isValid(n)).toBe(true)
      expect(factorization('reversed', heads.toReversed()).isValid(n)).toBe(true)
    }
  })

  test('leaves no row empty', () => {
    expect(strided(8).reach(64).emptyRows).toEqual([[], []])
  })
})

describe('fixed', () => {
  test('has the index sets of the paper', () => {
    for (const l of strides) {
      for (const c of [1, Math.ceil(l / 3), l]) {
        const [first, second] = fixed(l, { summary: c }).heads
        const block = pairs(longest, (i, j) => j <= i && Math.floor(j / l) === Math.floor(i / l))
        // j mod l in {t, .., l - 1} for t = l - c.
        const summary = pairs(longest, (i, j) => j <= i && j % l >= l - c && j % l <= l - 1)
        expect(pairsOf(first!, longest)).toEqual(block)
        expect(pairsOf(second!, longest)).toEqual(summary)
      }
    }
  })

  test('gives each head another run of summary keys, from the end of the block', () => {
    const [, second] = fixed(128, { summary: 8, subBlocks: 4 }).heads
    const runs = [
      [120, 127],
      [112, 119],
      [104, 111],
      [96, 103],
      [120, 127],
    ] as const
    runs.forEach(([from, to], head) => {
      expect(pairsOf(second!, longest, { head })).toEqual(
        pairs(longest, (i, j) => j <= i && from <= j % 128 && j % 128 <= to),
      )
    })
  })

  test('with p heads sums up blocks of blocks', () => {
    const l = 4
    const [first, second, third] = fixed(l, { summary: 2, heads: 3 }).heads
    expect(pairsOf(first!, longest)).toEqual(pairs(longest, (i, j) => same(i, j, 4)))
    expect(pairsOf(second!, longest)).toEqual(
      pairs(longest, (i, j) => same(i, j, 16) && j % 4 >= 2),
    )
    expect(pairsOf(third!, longest)).toEqual(pairs(longest, (i, j) => j <= i && j % 16 >= 14))
  })

  test.each([
    [1, 224],
    [2, 168],
  ])('taken literally misses pairs within a block (c = %d: %d of 2080)', (summary, count) => {
    const { literal, keepingOwn } = fixed(8, { summary }).reach(64)
    expect(literal.missing).toHaveLength(count)
    expect(literal.valid).toBe(false)
    expect(keepingOwn).toEqual({ valid: true, missing: [] })
    for (const [query, key] of literal.missing) {
      expect(Math.floor(query / 8)).toBe(Math.floor(key / 8))
      expect(query % 8).toBeLessThan(8 - summary)
    }
  })

  test('is not valid in the other order even when positions are kept', () => {
    const { heads } = fixed(8)
    const { keepingOwn } = factorization('reversed', heads.toReversed()).reach(64)
    expect(keepingOwn.missing).toHaveLength(1568)
  })

  test('with p heads is valid when positions are kept', () => {
    expect(fixed(4, { heads: 3 }).isValid(64)).toBe(false)
    expect(fixed(4, { heads: 3 }).isValid(64, { keepOwn: true })).toBe(true)
  })

  test('leaves the first l - c rows of the summary head empty', () => {
    const { emptyRows } = fixed(8, { summary: 1 }).reach(64)
    expect(emptyRows).toEqual([[], [0, 1, 2, 3, 4, 5, 6]])
  })

  test('with distinct sub-blocks, each head reaches only what lies before its run', () => {
    const options = { summary: 2, subBlocks: 4 }
    const { isValid, reach } = fixed(8, options)
    expect(isValid(64, { keepOwn: true, head: 0 })).toBe(true)
    expect(isValid(64, { keepOwn: true, head: 3 })).toBe(false)
    const lost = reach(64, { head: 3 }).keepingOwn.missing
    expect(lost.every(([, key]) => key % 8 > 1)).toBe(true)
  })

  test('refuses more summary keys than a block has', () => {
    expect(() => fixed(4, { summary: 5 })).toThrow(RangeError)
    expect(() => fixed(8, { summary: 3, subBlocks: 3 })).toThrow('got 3 * 3')
    expect(() => fixed(0)).toThrow(RangeError)
    expect(() => fixed(65536)).toThrow('must fit 32 bits')
  })
})

describe('integration', () => {
  test('one head a layer, in turn', () => {
    const { heads, interleaved } = fixed(8, { heads: 3 })
    expect([0, 1, 2, 3, 7].map(interleaved)).toEqual([
      heads[0],
      heads[1],
      heads[2],
      heads[0],
      heads[1],
    ])
    expect(() => interleaved(-1)).toThrow('interleaved: layer must be a whole number')
  })

  test('one merged head: the union', () => {
    const l = 8
    const merged = fixed(l, { summary: 2 }).merged()
    expect(pairsOf(merged, longest)).toEqual(
      pairs(
        longest,
        (i, j) => j <= i && (Math.floor(i / l) === Math.floor(j / l) || j % l >= l - 2),
      ),
    )
    expect(names(merged)).toEqual(['block', 'summary'])
    expect(merged.name).toBe('fixed')
    expect(names(strided(8).merged())).toEqual(['window', 'strided'])
    expect(pairsOfParts(merged, longest)).toEqual(pairsOf(merged, longest))
  })

  test('a head each', () => {
    const { heads, multiHead } = strided(8)
    for (const head of [0, 1, 2, 3]) {
      expect(pairsOf(multiHead(), longest, { head })).toEqual(pairsOf(heads[head % 2]!, longest))
    }
  })
})

test('a merged head needs no step to reach what one of its heads sees', () => {
  expect(factorization('dense', [causal()]).isValid(20)).toBe(true)
  expect(factorization('narrow', [slidingWindow(1), slidingWindow(1)]).reach(4)).toMatchObject({
    literal: { valid: false, missing: [[3, 0]] },
  })
})

test('balancedStride is the p-th root, rounded up', () => {
  for (const heads of [1, 2, 3, 4]) {
    for (let length = 1; length <= 300; length++) {
      const stride = balancedStride(length, heads)
      expect(stride ** heads).toBeGreaterThanOrEqual(length)
      expect((stride - 1) ** heads).toBeLessThan(length)
    }
  }
  expect(balancedStride(2 ** 20)).toBe(1024)
  expect(balancedStride(10 ** 9, 3)).toBe(1000)
  expect(() => balancedStride(0)).toThrow(RangeError)
})
