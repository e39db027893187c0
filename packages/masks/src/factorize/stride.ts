// The stride that makes the p heads of a factorization equally large.
import { checkInteger } from '../check.ts'

/**
 * The smallest l with l^p >= n: the p-th root of n, rounded up, so that every head of `strided` and
 * `fixed` sees about n^(1/p) keys a query.
 *
 * @param length - n, in tokens.
 * @param heads - p. Default: 2, the square root.
 * @throws RangeError when a number is not whole or below 1.
 *
 * @example
 * ```ts
 * import { balancedStride } from '@attn/masks'
 * balancedStride(4096) // => 64
 * balancedStride(4097) // => 65
 * balancedStride(4096, 3) // => 16
 * ```
 */
export function balancedStride(length: number, heads = 2): number {
  checkInteger('balancedStride', 'length', length, 1)
  checkInteger('balancedStride', 'heads', heads, 1)
  // The rounded root may be off by one; powers of integers this small are exact.
  let stride = Math.max(1, Math.round(length ** (1 / heads)) - 1)
  while (stride ** heads < length) stride++
  return stride
}
