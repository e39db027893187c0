// bfloat16 against its definition: of the two neighbours among the numbers it has, the nearer.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bfloat16Bits,
  bfloat16Value,
  cast,
  fromBfloat16Array,
  slice,
  tensor,
  tensorFrom,
  toBfloat16Array,
  toFloat64Array,
  zeros,
} from '../../src/index.ts'

describe('bfloat16', () => {
  test('every pattern of bits stands for a number that it comes from', () => {
    for (let bits = 0; bits < 2 ** 16; bits++) {
      const value = bfloat16Value(bits)
      const back = bfloat16Bits(value)
      const same = Number.isNaN(value) ? Number.isNaN(bfloat16Value(back)) : back === bits
      expect(same).toBe(true)
    }
  })

  test('a number becomes the nearest, of two equally near the even one', () => {
    const magnitude = fc.oneof(
      fc.double({ noNaN: true, min: 0, max: 3.38e38 }),
      // Half way between two neighbours, or a little off.
      fc
        .record({ bits: fc.integer({ min: 0, max: 0x7f7e }), off: fc.constantFrom(-1, 0, 1) })
        .map(({ bits, off }) => {
          const middle = (bfloat16Value(bits) + bfloat16Value(bits + 1)) / 2
          return middle * (1 + off * 2 ** -40)
        }),
    )
    fc.assert(
      fc.property(magnitude, fc.boolean(), (size, negative) => {
        const bits = bfloat16Bits(negative ? -size : size)
        expect(bits >> 15).toBe(negative ? 1 : 0)
        const below = bits & 0x7fff
        const chosen = Math.abs(bfloat16Value(below) - size)
        for (const other of [below - 1, below + 1]) {
          if (other < 0 || other > 0x7f80) continue
          // Infinity counts as the number that would follow the largest.
          const value = other === 0x7f80 ? 2 ** 128 : bfloat16Value(other)
          const distance = Math.abs(value - size)
          const tie = distance === chosen
          const nearer = below === 0x7f80 || distance > chosen || (tie && (below & 1) === 0)
          expect(nearer).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('infinities, NaN and what is too large', () => {
    expect(bfloat16Bits(Infinity)).toBe(0x7f80)
    expect(bfloat16Bits(-Infinity)).toBe(0xff80)
    expect(bfloat16Bits(3.4e38)).toBe(0x7f80)
    expect(Number.isNaN(bfloat16Value(bfloat16Bits(Number.NaN)))).toBe(true)
  })

  test('lists and back', () => {
    const values = [0, 1, -2.5, 2 ** 100, -Infinity]
    expect(Array.from(fromBfloat16Array(toBfloat16Array(values)))).toEqual(values)
  })

  test('tensors keep their type through views, casts and zeros', () => {
    const bits = toBfloat16Array([1, 2, 3, 4])
    const made = tensor(bits, [2, 2], { dtype: 'bfloat16' })
    expect(made.storage).toBe(bits)
    expect(slice(made, 0, 1, 2).dtype).toBe('bfloat16')
    expect(Array.from(toFloat64Array(slice(made, 0, 1, 2)))).toEqual([3, 4])
    expect(zeros([2], 'bfloat16').dtype).toBe('bfloat16')
    expect(tensorFrom([1.5], [1], 'bfloat16').storage[0]).toBe(0x3fc0)
    expect(cast(made, 'float16').storage[0]).toBe(0x3c00)
    expect(tensor(bits, [4]).dtype).toBe('float16')
  })

  test('an array that cannot hold what is asked for is refused', () => {
    expect(() => tensor(new Float32Array(2), [2], { dtype: 'bfloat16' })).toThrow(
      /^tensor: a Float32Array cannot hold bfloat16; it is float32$/,
    )
    expect(() => tensor(new Uint16Array(2), [2], { dtype: 'float32' })).toThrow(
      /^tensor: a Uint16Array cannot hold float32; it is float16 or bfloat16$/,
    )
  })
})
