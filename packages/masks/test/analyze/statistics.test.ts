import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  and,
  balancedStride,
  bigBird,
  causal,
  complexityExponent,
  fixed,
  maskStatistics,
  not,
  perHead,
  slidingWindow,
  strided,
} from '../../src/index.ts'
import { everyPattern } from '../support/every-pattern.ts'
import { pairsOf } from '../support/pairs.ts'

const ofRow = (row: string): number => row.split('#').length - 1

describe('maskStatistics', () => {
  test.each(everyPattern(96, 8))('counts the pairs of %s', (_, pattern) => {
    for (const head of [0, 1]) {
      const rows = pairsOf(pattern, 96, { head }).map(ofRow)
      const total = rows.reduce((sum, count) => sum + count, 0)
      const {
        pairs,
        density,
        rowCounts,
        emptyRows,
        rows: extremes,
      } = maskStatistics(pattern, 96, {
        head,
        queryBlockSize: 16,
        keyBlockSize: 8,
      })
      expect([...rowCounts]).toEqual(rows)
      expect(pairs).toBe(total)
      expect(density).toBe(total / 96 ** 2)
      expect(emptyRows).toBe(rows.filter((count) => count === 0).length)
      expect(extremes).toEqual({
        minimum: Math.min(...rows),
        maximum: Math.max(...rows),
        mean: total / 96,
      })
    }
  })

  test('counts FLOPs of both products over visible pairs', () => {
    const { pairs, flops } = maskStatistics(causal(), 100, { headDim: 32, valueDim: 16 })
    expect(pairs).toBe(5050)
    expect(flops).toEqual({ forward: 5050 * 2 * (32 + 16), backward: 5050 * 5 * (32 + 16) })
  })

  test('says how much of the visited tiles is visible', () => {
    // 16 tiles on the diagonal, each half full and the diagonal itself, and 120 full ones.
    const { tiles } = maskStatistics(causal(), 1024)
    expect(tiles).toMatchObject({ total: 256, partial: 16, full: 120 })
    expect(tiles.efficiency).toBe((1024 * 1025) / 2 / (136 * 64 * 64))
    expect(maskStatistics(and(causal(), not(causal())), 128).tiles).toEqual({
      total: 4,
      partial: 0,
      full: 0,
      efficiency: 1,
    })
  })

  test('shows that the Sparse Transformer leaves no tile of l x l tokens empty', () => {
    for (const { merged } of [strided(64), fixed(64, { summary: 8 })]) {
      const { tiles, density } = maskStatistics(merged(), 1024)
      expect(tiles.partial + tiles.full).toBe(136)
      expect(density).toBeLessThan(0.15)
      expect(tiles.efficiency).toBeLessThan(0.3)
    }
  })

  test('takes fewer queries than keys, which are the last ones', () => {
    const { rowCounts } = maskStatistics(causal(), 10, { queryLength: 3 })
    expect([...rowCounts]).toEqual([8, 9, 10])
    const offset = { queryLength: 3, queryOffset: 0 }
    expect([...maskStatistics(causal(), 10, offset).rowCounts]).toEqual([1, 2, 3])
  })

  test('looks at one head', () => {
    const mixed = perHead([causal(), slidingWindow(0)])
    expect(maskStatistics(mixed, 8, { head: 3 }).pairs).toBe(8)
  })

  test('refuses sizes that are not whole', () => {
    expect(() => maskStatistics(causal(), 0)).toThrow(RangeError)
    expect(() => maskStatistics(causal(), 8, { headDim: 0.5 })).toThrow(
      'maskStatistics: headDim must be a whole number of at least 1, got 0.5',
    )
    expect(() => maskStatistics(causal(), 8, { head: -1 })).toThrow(RangeError)
  })
})

describe('complexityExponent', () => {
  test('is about 1.5 for strided and fixed at l = sqrt n', () => {
    const lengths = [256, 576, 1024, 1600]
    const grown = [
      complexityExponent((n) => strided(balancedStride(n)).merged(), { lengths }),
      complexityExponent((n) => fixed(balancedStride(n)).merged(), { lengths }),
    ]
    for (const exponent of grown) expect(Math.abs(exponent - 1.5)).toBeLessThan(0.02)
  })

  test('is about 1 + 1 / p for p heads', () => {
    const lengths = [512, 1000, 1728]
    const maskFor = (n: number) => strided(balancedStride(n, 3), { heads: 3 }).merged()
    expect(Math.abs(complexityExponent(maskFor, { lengths }) - 4 / 3)).toBeLessThan(0.05)
  })

  test('is 2 for causal attention and 1 for windows and BigBird', () => {
    expect(complexityExponent(() => causal())).toBeCloseTo(2, 2)
    expect(complexityExponent(() => slidingWindow(8))).toBeCloseTo(1, 1)
    const lengths = [512, 1024, 2048]
    const maskFor = (length: number) => bigBird({ length, blockSize: 8 })
    expect(complexityExponent(maskFor, { lengths })).toBeCloseTo(1, 1)
  })

  test('is the exponent whatever the factor', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), (width) => {
        const lengths = [64, 128, 256]
        const maskFor = (n: number) => slidingWindow((width * n) / 16 - 1)
        expect(complexityExponent(maskFor, { lengths })).toBeCloseTo(2, 1)
      }),
      { numRuns: 5 },
    )
  })

  test('needs something to measure', () => {
    expect(() => complexityExponent(() => causal(), { lengths: [8, 8] })).toThrow('[8, 8]')
    const nothing = and(causal(), not(causal()))
    expect(() => complexityExponent(() => nothing)).toThrow('leaves no pair at length 256')
  })
})
