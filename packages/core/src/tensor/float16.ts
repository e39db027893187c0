// IEEE 754 binary16 as bits in a Uint16Array: JavaScript engines without Float16Array (and WebGPU
// buffers everywhere) hold half-precision numbers this way.

const floatView = new Float32Array(1)
const bitsView = new Uint32Array(floatView.buffer)

/**
 * The 16 bits of the float16 nearest to a number (round to nearest, ties to even).
 * Magnitudes above 65504 that round past it become infinity; subnormals and NaN are kept.
 *
 * @example
 * ```ts
 * import { float16Bits } from '@attn/core'
 * float16Bits(1) // => 0x3c00
 * float16Bits(-2) // => 0xc000
 * ```
 */
export function float16Bits(value: number): number {
  floatView[0] = value
  const bits = bitsView[0]!
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 // NaN
  // 65520 is half way between 65504 and the next step, which is infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude >= 0x38800000) {
    // Normal: rebias the exponent and round the 13 dropped bits to even.
    const rebased = magnitude - 0x38000000
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13)
  }
  // Subnormal: a multiple of 2^-24; adding and removing 0.5 rounds to that grid, ties to even.
  floatView[0] = Math.abs(floatView[0]) + 0.5
  return sign | (bitsView[0]! - 0x3f000000)
}

/**
 * The number that 16 bits of float16 stand for.
 *
 * @example
 * ```ts
 * import { float16Value } from '@attn/core'
 * float16Value(0x3c01) // => 1.0009765625
 * ```
 */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/**
 * All values of a list as float16 bits.
 *
 * @example
 * ```ts
 * import { toFloat16Array } from '@attn/core'
 * Array.from(toFloat16Array([1, -2])) // => [0x3c00, 0xc000]
 * ```
 */
export function toFloat16Array(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < bits.length; i++) bits[i] = float16Bits(values[i]!)
  return bits
}

/**
 * All float16 bits of a list as float32 values (exact).
 *
 * @example
 * ```ts
 * import { fromFloat16Array } from '@attn/core'
 * Array.from(fromFloat16Array([0x3c00, 0xc000])) // => [1, -2]
 * ```
 */
export function fromFloat16Array(bits: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const values = new Float32Array(bits.length)
  for (let i = 0; i < values.length; i++) values[i] = float16Value(bits[i]!)
  return values
}
