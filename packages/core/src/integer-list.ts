// Lists of whole numbers as other libraries hand them out: ONNX and transformers.js keep positions,
// lengths and attention masks as int64, which JavaScript gives as a BigInt64Array.

/** Whole numbers: an array, a typed array, or 64-bit integers in a BigInt64Array. */
export type IntegerList = ArrayLike<number> | ArrayLike<bigint>

/**
 * The list as numbers; itself, uncopied, where it holds numbers already. Integers past 2^53 round,
 * and stay far beyond what any length or position may be.
 *
 * @example
 * ```ts
 * import { numbersOf } from '@attn/core'
 * const positions = BigInt64Array.of(0n, 1n, 5n)
 * Array.from(numbersOf(positions)) // => [0, 1, 5]
 * ```
 */
export function numbersOf(list: IntegerList): ArrayLike<number> {
  return holdsBigInts(list) ? Float64Array.from(Array.from(list), Number) : list
}

function holdsBigInts(list: IntegerList): list is ArrayLike<bigint> {
  return typeof list === 'object' && list !== null && typeof list[0] === 'bigint'
}
