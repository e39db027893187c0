import { compile } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { alibi, alibiSlopes } from '../src/index.ts'
import { goldenSlopes } from './golden.ts'

describe('alibiSlopes', () => {
  test.each([...goldenSlopes])('%d heads: those of the reference code', (heads, golden) => {
    const slopes = alibiSlopes(heads)
    expect(slopes).toHaveLength(heads)
    slopes.forEach((slope, head) => {
      // The reference raises a rounded float32 to powers up to the number of heads.
      expect(Math.abs(slope / golden[head]! - 1)).toBeLessThan(1e-6)
    })
  })

  test('are not sorted where heads is no power of two, and not 2^(-8 (h + 1) / H)', () => {
    const slopes = alibiSlopes(12)
    expect(slopes.slice(0, 8)).toEqual(alibiSlopes(8))
    expect(slopes.slice(8)).toEqual(
      alibiSlopes(16)
        .filter((_, index) => index % 2 === 0)
        .slice(0, 4),
    )
    expect(slopes[8]!).toBeGreaterThan(slopes[7]!)
    expect(slopes[0]!).not.toBeCloseTo(2 ** (-8 / 12), 2)
  })

  test.each([0, -1, 1.5, Number.NaN])('refuses %d heads', (heads) => {
    expect(() => alibiSlopes(heads)).toThrow(RangeError)
  })
})

describe('alibi', () => {
  const heads = 3
  const length = 6
  const slopes = alibiSlopes(heads)
  const everyPair = Array.from({ length: heads * length * length }, (_, index) => ({
    score: 0.25,
    head: Math.floor(index / length ** 2),
    query: Math.floor(index / length) % length,
    key: index % length,
  }))

  test('causal: -m (i - j) on top of the scaled score', () => {
    const modified = compile(alibi({ heads }).expression)
    for (const point of everyPair) {
      const { score, head, query, key } = point
      expect(modified(point)).toBe(score - slopes[head]! * (query - key))
    }
  })

  test('symmetric: -m |i - j|', () => {
    const modified = compile(alibi({ heads, direction: 'symmetric' }).expression)
    for (const point of everyPair) {
      const { score, head, query, key } = point
      expect(modified(point)).toBe(score - slopes[head]! * Math.abs(query - key))
    }
  })

  test('two-sided: the first half of the heads looks back, the rest ahead', () => {
    const modified = compile(alibi({ heads, direction: 'two-sided' }).expression)
    const sideSlopes = [...alibiSlopes(2), ...alibiSlopes(1)]
    for (const point of everyPair) {
      const { score, head, query, key } = point
      const visible = head < 2 ? key <= query : key >= query
      const expected = visible ? score - sideSlopes[head]! * Math.abs(query - key) : -Infinity
      expect(modified(point)).toBe(expected)
    }
  })

  test('two-sided with slopes for each side hides nothing', () => {
    const past = [1, 0.5, 0.25]
    const future = [2, 4, 8]
    const modified = compile(
      alibi({ heads, direction: 'two-sided', slopes: { past, future } }).expression,
    )
    for (const point of everyPair) {
      const { score, head, query, key } = point
      const slope = (key <= query ? past : future)[head]!
      expect(modified(point)).toBe(score - slope * Math.abs(query - key))
    }
  })

  test('own slopes replace the paper’s', () => {
    const modified = compile(alibi({ heads: 2, slopes: [3, 5] }).expression)
    expect(modified({ score: 0, head: 1, query: 4, key: 2 })).toBe(-10)
  })

  test('refuses slopes and directions that do not fit', () => {
    expect(() => alibi({ heads: 2, slopes: [1] })).toThrow(RangeError)
    expect(() => alibi({ heads: 1, slopes: [Infinity] })).toThrow(RangeError)
    expect(() => alibi({ heads: 1, slopes: { past: [1], future: [1] } })).toThrow(TypeError)
    expect(() => alibi({ heads: 1, direction: 'sideways' as 'causal' })).toThrow(
      /direction must be .* got 'sideways'/,
    )
  })
})
