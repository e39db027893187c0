import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dropoutWeight, resolveDropout } from '../../src/attention/dropout.ts'
import {
  flashAttention,
  philox4x32,
  slice,
  standardAttention,
  tensorFrom,
  zeros,
} from '../../src/index.ts'
import type { DropoutOptions, FourWords, Tensor } from '../../src/index.ts'
import { fill, largestError } from '../conformance/index.ts'
import { causal } from '../conformance/patterns.ts'

describe('philox4x32', () => {
  // Known answers of Random123 (kat_vectors, philox4x32, 10 rounds).
  test.each<[FourWords, [number, number], FourWords]>([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('known answer for %j', (counter, key, expected) => {
    expect(philox4x32(counter, key)).toEqual(expected)
  })

  test('signed and unsigned words are the same', () => {
    expect(philox4x32([-1, -1, -1, -1], [-1, -1])).toEqual(
      philox4x32([0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff]),
    )
  })
})

/** Attention with equal scores over values that are a basis: the output is P after dropout. */
function dropped(dropout: DropoutOptions, length = 64, heads = 2): Tensor {
  const zero = zeros([1, heads, length, 1], 'float64')
  const basis = Array.from({ length: heads * length * length }, (_, index) =>
    Math.floor(index / length) % length === index % length ? 1 : 0,
  )
  const value = tensorFrom(basis, [1, heads, length, length], 'float64')
  return standardAttention(zero, zero, value, { dropout }).output
}

describe('dropout', () => {
  test('drops the share asked for and scales up the rest', () => {
    for (const rate of [0.1, 0.5, 0.9]) {
      const { storage } = dropped({ rate, seed: 3 }, 128)
      const zeros_ = storage.filter((value) => value === 0).length
      expect(zeros_ / storage.length).toBeCloseTo(rate, 1.7)
      const kept = storage.filter((value) => value !== 0)
      expect(
        largestError(
          kept,
          kept.map(() => 1 / 128 / (1 - rate)),
        ),
      ).toBeLessThan(1e-15)
    }
  })

  test('seeds, heads and sequences have masks of their own', () => {
    const masks = [1, 2, 2n ** 32n, 2n ** 63n].map((seed) => dropped({ rate: 0.5, seed }, 32, 2))
    const halves = masks.flatMap((mask) => [slice(mask, 1, 0, 1), slice(mask, 1, 1, 2)])
    const texts = halves.map(({ storage, offset, strides }) =>
      storage.slice(offset, offset + strides[1]!).join(),
    )
    expect(new Set(texts).size).toBe(8)
  })

  test('is decided at word 0 of counter (query, key, batch * heads + head, 0)', () => {
    const dropout = resolveDropout('test', { rate: 0.25, seed: 0x1234_5678_9abc_def0n })!
    expect(dropout.threshold).toBe(2 ** 30)
    expect(dropout.key).toEqual([0x9abcdef0, 0x12345678])
    const [word] = philox4x32([7, 9, 5, 0], dropout.key)
    expect(dropoutWeight(dropout, 5, 7, 9)).toBe(word >= 2 ** 30 ? 4 / 3 : 0)
    // A word equal to the threshold is kept, one below is dropped.
    expect(dropoutWeight({ ...dropout, threshold: word }, 5, 7, 9)).toBe(4 / 3)
    expect(dropoutWeight({ ...dropout, threshold: word + 1 }, 5, 7, 9)).toBe(0)
  })

  test('logSumExp and P know nothing of it', () => {
    const x = fill(1, [1, 2, 9, 4], 2, 'float64')
    const without = standardAttention(x, x, x)
    const withDropout = standardAttention(x, x, x, { dropout: { rate: 0.5, seed: 1 } })
    expect(withDropout.logSumExp).toEqual(without.logSumExp)
    expect(withDropout.probabilities).toEqual(without.probabilities)
    expect(withDropout.output).not.toEqual(without.output)
  })

  test('a chunk of the queries meets the same mask as the whole', () => {
    const x = fill(1, [1, 2, 30, 4], 2, 'float64')
    fc.assert(
      fc.property(fc.nat(28), fc.integer({ min: 1, max: 9 }), (start, tile) => {
        const options = { mask: causal, dropout: { rate: 0.4, seed: 5 } }
        const whole = standardAttention(x, x, x, options).output
        const chunk = flashAttention(slice(x, 2, start, 30), x, x, {
          ...options,
          queryBlockSize: tile,
        }).output
        for (let h = 0; h < 2; h++) {
          const rows = chunk.storage.subarray(h * (30 - start) * 4, (h + 1) * (30 - start) * 4)
          const expected = whole.storage.subarray((h * 30 + start) * 4, (h + 1) * 120)
          expect(largestError(rows, expected)).toBeLessThan(1e-14)
        }
      }),
      { numRuns: 30 },
    )
  })

  test.each<[DropoutOptions, string]>([
    [{ rate: 1, seed: 0 }, 'dropout.rate must lie in 0 <= rate < 1, got 1'],
    [{ rate: -0.1, seed: 0 }, 'dropout.rate'],
    [{ rate: Number.NaN, seed: 0 }, 'dropout.rate'],
    [{ rate: 0.1, seed: -1 }, 'dropout.seed must be a whole number'],
    [{ rate: 0.1, seed: 0.5 }, 'dropout.seed'],
    [{ rate: 0.1, seed: 2 ** 60 }, 'dropout.seed'],
    [{ rate: 0.1, seed: 2n ** 64n }, 'dropout.seed'],
  ])('refuses %o', (dropout, message) => {
    const x = zeros([1, 1, 1, 1])
    expect(() => standardAttention(x, x, x, { dropout })).toThrow(RangeError)
    expect(() => standardAttention(x, x, x, { dropout })).toThrow(`standardAttention: ${message}`)
  })
})
