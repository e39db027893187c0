import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { attentionSinks, blockDiagonal, dilatedWindow, longformer } from '../../src/index.ts'
import { names } from '../support/names.ts'
import { pairs, pairsOf, pairsOfParts } from '../support/pairs.ts'

const longest = 130

test('blockDiagonal is {j : floor(j / b) = floor(i / b)}', () => {
  for (const size of [1, 2, 7, 16, 64, 129, 130, 200]) {
    expect(pairsOf(blockDiagonal(size), longest)).toEqual(
      pairs(longest, (i, j) => Math.floor(i / size) === Math.floor(j / size)),
    )
  }
  expect(() => blockDiagonal(0)).toThrow(RangeError)
})

describe('dilatedWindow', () => {
  test('is {i - left d, .., i - d, i, i + d, .., i + right d}', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), fc.integer({ min: 1, max: 9 }), (left, right, d) => {
        const steps = Array.from({ length: left + right + 1 }, (_, step) => (step - left) * d)
        expect(pairsOf(dilatedWindow({ left, right, dilation: d }), longest)).toEqual(
          pairs(longest, (i, j) => steps.includes(j - i)),
        )
      }),
      { numRuns: 15 },
    )
  })

  test('refuses what is not whole', () => {
    expect(() => dilatedWindow({ left: 1, dilation: 0 })).toThrow('at least 1, got 0')
    expect(() => dilatedWindow({ left: -1, dilation: 1 })).toThrow(RangeError)
    expect(() => dilatedWindow({ left: 1, right: 1.5, dilation: 1 })).toThrow(RangeError)
  })
})

describe('attentionSinks', () => {
  test('is {j <= i : j < sinks or i - j < recent}', () => {
    fc.assert(
      fc.property(fc.nat(8), fc.integer({ min: 1, max: 140 }), (sinks, recent) => {
        const pattern = attentionSinks({ sinks, recent })
        expect(pairsOf(pattern, longest)).toEqual(
          pairs(longest, (i, j) => j <= i && (j < sinks || i - j < recent)),
        )
      }),
      { numRuns: 10 },
    )
  })

  test('keeps `sinks + recent` keys, as the cache of the paper does', () => {
    const rows = pairsOf(attentionSinks({ recent: 10 }), 40)
    expect(rows.at(-1)!.split('#').length - 1).toBe(14)
    expect(names(attentionSinks({ recent: 10 }))).toEqual(['recent', 'sinks'])
    expect(pairsOfParts(attentionSinks({ recent: 10 }), 40)).toEqual(rows)
  })

  test('refuses an empty window', () => {
    expect(() => attentionSinks({ recent: 0 })).toThrow(RangeError)
    expect(() => attentionSinks({ sinks: -1, recent: 3 })).toThrow(RangeError)
  })
})

describe('longformer', () => {
  test('is a dilated window, and the rows and columns of the global tokens', () => {
    const globals = fc.uniqueArray(fc.nat(longest - 1), { maxLength: 8 })
    fc.assert(
      fc.property(globals, fc.nat(12), fc.integer({ min: 1, max: 4 }), (tokens, half, dilation) => {
        const pattern = longformer({ window: 2 * half, dilation, globalTokens: tokens })
        const inWindow = (distance: number): boolean =>
          Math.abs(distance) <= half * dilation && Math.abs(distance) % dilation === 0
        expect(pairsOf(pattern, longest)).toEqual(
          pairs(longest, (i, j) => inWindow(i - j) || tokens.includes(i) || tokens.includes(j)),
        )
      }),
      { numRuns: 12 },
    )
  })

  test('dilates each head as told', () => {
    const pattern = longformer({ window: 4, dilation: [1, 3] })
    for (const head of [0, 1, 2]) {
      const d = head === 1 ? 3 : 1
      expect(pairsOf(pattern, 40, { head })).toEqual(
        pairs(40, (i, j) => [0, d, 2 * d].includes(Math.abs(i - j)) || i === 0 || j === 0),
      )
    }
    expect(names(pattern)).toEqual(['window', 'globalKeys', 'globalQueries'])
    expect(pattern.name).toBe('longformer')
  })

  test('refuses an odd window', () => {
    expect(() => longformer({ window: 3 })).toThrow('longformer: window must be even, got 3')
  })
})
