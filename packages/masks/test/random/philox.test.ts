import { expect, test } from 'vitest'
import { drawSubsets } from '../../src/random/draw.ts'
import { philox } from '../../src/random/philox.ts'
import { range, sample } from '../support/sampling.ts'

const hex = (words: Uint32Array): string[] => [...words].map((value) => value.toString(16))

// The known answers that the authors distribute with Random123 (kat_vectors, philox4x32 10).
test.each([
  [
    [0, 0],
    [0, 0, 0, 0],
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8'],
  ],
  [
    [0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    ['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd'],
  ],
  [
    [0xa4093822, 0x299f31d0],
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    ['d16cfe09', '94fdcceb', '5001e420', '24126ea1'],
  ],
] as const)('philox of key %j and counter %j', ([key0, key1], counter, expected) => {
  const words = new Uint32Array(4)
  philox(key0, key1, counter, words)
  expect(hex(words)).toEqual(expected)
})

test('subsets are those of a second implementation, whatever is left out', () => {
  const without = [
    { start: 0, end: 2 },
    { start: 5, end: 9 },
    { start: 20, end: 21 },
  ]
  const allowed = range(30).filter(
    (value) => !without.some(({ start, end }) => value >= start && value < end),
  )
  const seed = 0xdeadbeef
  const { offsets, members } = drawSubsets({
    rows: 40,
    heads: 3,
    seed: seed & 0x7fffffff,
    count: 7,
    candidates: () => ({ limit: 30, without }),
  })
  for (let head = 0; head < 3; head++) {
    for (let row = 0; row < 40; row++) {
      const at = head * 40 + row
      const drawn = [...members.subarray(offsets[at], offsets[at + 1])]
      const expected = sample(allowed, 7, { seed: seed & 0x7fffffff, row, head })
      expect(drawn).toEqual([...expected].toSorted((a, b) => a - b))
    }
  }
})

test('every candidate is drawn as often as any other', () => {
  const rows = 20_000
  const counts = new Float64Array(10)
  const draw = { rows, heads: 1, seed: 3, count: 3 }
  const { members } = drawSubsets({ ...draw, candidates: () => ({ limit: 10, without: [] }) })
  for (const member of members) counts[member]!++
  // Chi-square with 9 degrees of freedom: 27.9 is passed once in a thousand seeds.
  const expected = (3 * rows) / 10
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  expect(chiSquare).toBeLessThan(27.9)
})

test('a row with fewer candidates than asked for draws all of them', () => {
  const draw = { rows: 5, heads: 1, seed: 0, count: 3 }
  const { offsets, members } = drawSubsets({
    ...draw,
    candidates: (row) => ({ limit: row, without: [] }),
  })
  expect([...offsets]).toEqual([0, 0, 1, 3, 6, 9])
  expect([...members.subarray(0, 6)]).toEqual([0, 0, 1, 0, 1, 2])
})
