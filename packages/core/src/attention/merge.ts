// Attention over disjoint sets of keys, computed apart and put together again: each part's output
// weighs exp(its logSumExp). FlashAttention-2 (arXiv 2307.08691, section 3.2) and Flash-Decoding use
// it to split keys among workers; block-sparse passes in different token orders use it too.
import { rangeError, shapeError } from '../errors.ts'
import { cast, toFloat64Array } from '../tensor/layout.ts'
import { tensor } from '../tensor/tensor.ts'
import type { AttentionResult } from './result.ts'

/**
 * The attention over all keys from parts that each saw some of them. Exact: merging is associative
 * and commutative up to rounding, and a part (or a row of a part) that saw no key changes nothing.
 *
 * @param parts - Results for the same queries over disjoint keys; output `[B, H, L, Dv]`, logSumExp
 *   `[B, H, L]`. A logSumExp near `finfo.min` holds no log(n): parts of rows that see such scores alone weigh
 *   the same, whatever the number of their keys. What counts once a row, such as an attention sink, belongs in one part only.
 * @returns Output and logSumExp in the dtypes of the first part.
 * @throws RangeError for no parts, or parts of different shapes.
 *
 * @example
 * ```ts
 * import { mergeAttention, slice, standardAttention, tensorFrom } from '@attn/core'
 * const query = tensorFrom([1], [1, 1, 1, 1])
 * const key = tensorFrom([2, -1, 3, 5], [1, 1, 4, 1])
 * const value = tensorFrom([1, 2, 3, 4], [1, 1, 4, 1])
 * const over = (start: number, end: number) =>
 *   standardAttention(query, slice(key, 2, start, end), slice(value, 2, start, end))
 * const merged = mergeAttention([over(0, 1), over(1, 4)])
 * Math.abs(merged.output.storage[0]! - over(0, 4).output.storage[0]!) < 1e-6 // => true
 * ```
 */
export function mergeAttention(parts: readonly AttentionResult[]): AttentionResult {
  const first = parts[0]
  if (!first) throw rangeError('mergeAttention: need at least one part, got none')
  checkShapes(parts)
  const [batch, heads, queryLength, valueDim] = first.output.shape as [
    number,
    number,
    number,
    number,
  ]
  const outputs = parts.map((part) => toFloat64Array(part.output)) // each [B, H, L, Dv]
  const sums = parts.map((part) => toFloat64Array(part.logSumExp)) // each [B, H, L]
  const rows = batch * heads * queryLength
  const output = new Float64Array(rows * valueDim)
  const logSumExp = new Float64Array(rows)

  for (let row = 0; row < rows; row++) {
    const maximum = sums.reduce((largest, sum) => Math.max(largest, sum[row]!), -Infinity)
    let total = 0
    outputs.forEach((partial, part) => {
      const sum = sums[part]![row]!
      if (sum === -Infinity) return // Saw nothing; and -Infinity - -Infinity would be NaN.
      const weight = Math.exp(sum - maximum)
      total += weight
      for (let d = row * valueDim; d < (row + 1) * valueDim; d++) output[d]! += weight * partial[d]!
    })
    logSumExp[row] = total === 0 ? -Infinity : maximum + Math.log(total)
    if (total === 0) continue
    for (let d = row * valueDim; d < (row + 1) * valueDim; d++) output[d]! /= total
  }
  return {
    output: cast(tensor(output, first.output.shape), first.output.dtype),
    logSumExp: cast(tensor(logSumExp, first.logSumExp.shape), first.logSumExp.dtype),
  }
}

function text(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`
}

function checkShapes(parts: readonly AttentionResult[]): void {
  const expected = parts[0]!.output.shape
  if (expected.length !== 4) {
    throw shapeError(
      `mergeAttention: output must have shape [batch, heads, length, dim], got ${text(expected)}`,
    )
  }
  for (const { output, logSumExp } of parts) {
    if (text(output.shape) !== text(expected)) {
      throw shapeError(
        `mergeAttention: all outputs must have one shape, got ${text(expected)} and ${text(output.shape)}`,
      )
    }
    if (text(logSumExp.shape) !== text(expected.slice(0, 3))) {
      throw shapeError(
        `mergeAttention: logSumExp must have shape ${text(expected.slice(0, 3))}, got ${text(logSumExp.shape)}`,
      )
    }
  }
}
