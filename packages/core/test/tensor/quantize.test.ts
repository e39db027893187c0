import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  cast,
  dequantize,
  permute,
  quantize,
  quantizedBytes,
  slice,
  tensor,
  toFloat64Array,
} from '../../src/index.ts'

const rows = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), {
  minLength: 64,
  maxLength: 64,
})

describe('quantised rows', () => {
  test.each([
    ['q8_0', 1 / 254],
    ['q4_0', 1 / 8],
  ] as const)('%s: every element within half a step of its block', (type, share) => {
    fc.assert(
      fc.property(rows, (values) => {
        const source = tensor(Float32Array.from(values), [2, 32])
        const blocks = quantize(source, type)
        expect(blocks.length).toBe(2 * quantizedBytes(type, 32))
        const back = toFloat64Array(dequantize(blocks, [2, 32], type))
        for (let row = 0; row < 2; row++) {
          const own = values.slice(32 * row, 32 * row + 32)
          const largest = Math.max(...own.map(Math.abs))
          own.forEach((value, i) => {
            // The scale itself is rounded to float16; 8 steps up are one more than 4 bits have.
            const most = largest * (share + 2 ** -10) + 2 ** -14
            expect(Math.abs(back[32 * row + i]! - value)).toBeLessThanOrEqual(most)
          })
        }
      }),
    )
  })

  test('the bytes are ggml’s', () => {
    // A block as llama.cpp writes it: scale 1 (0x3c00), then 32 signed bytes, -127 to 127.
    const steps = Float32Array.from({ length: 32 }, (_, i) => (i === 0 ? -127 : 4 * i))
    const eights = quantize(tensor(steps, [32]), 'q8_0')
    expect(Array.from(eights.subarray(0, 6))).toEqual([0x00, 0x3c, 0x81, 4, 8, 12])
    // The largest, -8, makes the scale 1; element i shares a byte with element i + 16, both plus 8.
    const fours = Float32Array.from({ length: 32 }, (_, i) => (i === 0 ? -8 : (i % 15) - 7))
    const bytes = quantize(tensor(fours, [32]), 'q4_0')
    expect(Array.from(bytes.subarray(0, 5))).toEqual([0x00, 0x3c, 0x20, 0x32, 0x43])
    expect(toFloat64Array(dequantize(bytes, [32], 'q4_0'))).toEqual(Float64Array.from(fours))
  })

  test.each(['q8_0', 'q4_0'] as const)(
    '%s: what is not finite, and what a scale cannot be',
    (type) => {
      const back = (values: readonly number[]): number[] => {
        const source = tensor(Float32Array.from(values), [32])
        return Array.from(toFloat64Array(dequantize(quantize(source, type), [32], type)))
      }
      const large = Array.from({ length: 32 }, (_, i) => (i === 5 ? 0 : i % 2 === 0 ? 1e8 : -1e8))
      expect(back(large)).toEqual(large.map((x) => (x === 0 ? NaN : x * Infinity)))
      for (const bad of [NaN, Infinity, -Infinity]) {
        expect(back(large.map((x, i) => (i === 7 ? bad : x / 1e8)))).toEqual(large.map(() => NaN))
      }
    },
  )

  test('views are read as they lie; zeros stay zeros', () => {
    const values = Float32Array.from({ length: 64 * 3 }, (_, i) => Math.sin(i))
    const rowsOfColumns = permute(tensor(values, [64, 3]), [1, 0])
    const copied = tensor(Float32Array.from(toFloat64Array(rowsOfColumns)), [3, 64])
    expect(quantize(rowsOfColumns, 'q4_0')).toEqual(quantize(copied, 'q4_0'))
    for (const type of ['q8_0', 'q4_0'] as const) {
      const zero = quantize(tensor(new Float32Array(32), [32]), type)
      expect(Array.from(toFloat64Array(dequantize(zero, [32], type))).every((x) => x === 0)).toBe(
        true,
      )
    }
  })

  test('blocks may be handled as float16: copies keep every bit, of NaN too', () => {
    const bits = Uint16Array.of(0x7e01, 1, 0xfe02, 2, 0x7c01, 3)
    const view = slice(tensor(bits, [3, 2]), 1, 0, 1)
    expect(Array.from(cast(view, 'float16').storage)).toEqual([0x7e01, 0xfe02, 0x7c01])
  })

  test('what does not fit is said', () => {
    const odd = tensor(new Float32Array(20), [20])
    expect(() => quantize(odd, 'q8_0')).toThrow('blocks of 32, got 20 elements')
    expect(() => quantize(tensor(new Float32Array(32), [32]), 'q5_0' as 'q4_0')).toThrow(
      'type must be q8_0 or q4_0, got q5_0',
    )
    expect(() => dequantize(new Uint8Array(33), [32], 'q8_0')).toThrow(
      'dequantize: shape [32] takes 34 bytes of q8_0, got 33',
    )
  })
})
