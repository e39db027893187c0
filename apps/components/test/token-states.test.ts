// What becomes of tokens in a cache, and what biases make of attention.
import { alibiSlopes } from '@attn/positions'
import { describe, expect, test } from 'vitest'
import { tokenStates, type Keeps } from '../src/cache/token-states.ts'
import { bucketsByDistance, halfOfWeight, middles } from '../src/position/curves.ts'

describe('tokens of a cache', () => {
  const letters = (keeps: Keeps): string =>
    tokenStates({ keeps, length: 10, window: 3, sinks: 2 }, 12)
      .map((state) => state[0])
      .join('')

  test.each<[Keeps, string]>([
    ['all', 'rrrrrrrrrnff'],
    ['mask', 'rrkkkkkrrnff'],
    ['ring', 'rrfffffrrnff'],
  ])('%s', (keeps, expected) => expect(letters(keeps)).toBe(expected))
})

describe('biases', () => {
  test('half of the weight is that of the nearest tokens', () => {
    expect(halfOfWeight([0, 0, 0, 0])).toBe(2)
    expect(halfOfWeight([0, -Infinity, -Infinity])).toBe(1)
    const [steepest] = alibiSlopes(8)
    const penalties = Array.from({ length: 256 }, (_, distance) => -steepest! * distance)
    // 1 - e^(-n / 2) reaches a half at n = 1.39.
    expect(halfOfWeight(penalties)).toBe(2)
  })

  test('every bucket that is reached has a middle, which lies in it', () => {
    const buckets = bucketsByDistance({ count: 16, maxDistance: 128 }, 256)
    const found = middles(buckets)
    expect([...found.keys()]).toEqual([...new Set(buckets)])
    for (const [bucket, distance] of found) expect(buckets[distance]).toBe(bucket)
  })
})
