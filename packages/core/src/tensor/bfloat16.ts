// bfloat16: the upper half of a float32, so the range of one with 8 bits of precision. Weights of models come
// so; there is no typed array of it, and its bits travel in a Uint16Array.

const floatView = new Float32Array(1)
const bitsView = new Uint32Array(floatView.buffer)

/**
 * The 16 bits of the bfloat16 nearest to a number (round to nearest, ties to even). NaN is kept.
 *
 * @example
 * ```ts
 * import { bfloat16Bits } from '@attn/core'
 * bfloat16Bits(1) // => 0x3f80
 * bfloat16Bits(-2) // => 0xc000
 * ```
 */
export function bfloat16Bits(value: number): number {
  floatView[0] = value
  const bits = bitsView[0]!
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40 // NaN
  const kept = bits >>> 16
  const dropped = bits & 0xffff
  // float32 rounded once already: where it met the middle, the number itself says on which side it is.
  if (dropped === 0x8000 && Math.abs(value) !== Math.abs(floatView[0])) {
    return kept + (Math.abs(value) > Math.abs(floatView[0]) ? 1 : 0)
  }
  return kept + (dropped > 0x8000 || (dropped === 0x8000 && (kept & 1) === 1) ? 1 : 0)
}

/**
 * The number that 16 bits of bfloat16 stand for.
 *
 * @example
 * ```ts
 * import { bfloat16Value } from '@attn/core'
 * bfloat16Value(0x3f81) // => 1.0078125
 * ```
 */
export function bfloat16Value(bits: number): number {
  bitsView[0] = bits << 16
  return floatView[0]!
}

/**
 * All values of a list as bfloat16 bits.
 *
 * @example
 * ```ts
 * import { tensor, toBfloat16Array } from '@attn/core'
 * const bits = toBfloat16Array([1, -2])
 * Array.from(bits) // => [0x3f80, 0xc000]
 * tensor(bits, [2], { dtype: 'bfloat16' }).dtype // => 'bfloat16'
 * ```
 */
export function toBfloat16Array(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < bits.length; i++) bits[i] = bfloat16Bits(values[i]!)
  return bits
}

/**
 * All bfloat16 bits of a list as float32 values (exact).
 *
 * @example
 * ```ts
 * import { fromBfloat16Array } from '@attn/core'
 * Array.from(fromBfloat16Array([0x3f80, 0xc000])) // => [1, -2]
 * ```
 */
export function fromBfloat16Array(bits: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const values = new Float32Array(bits.length)
  for (let i = 0; i < values.length; i++) values[i] = bfloat16Value(bits[i]!)
  return values
}
