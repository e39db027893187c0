// Rows of dQuery as they ought to be. A query's gradient needs its own row and the keys, and nothing of
// other queries, so that sampled rows can be computed without the rest.
import { compile, standardAttention, standardAttentionBackward, tensor } from '@attn/core'
import type { DType, Mask } from '@attn/core'
import { largestDifference, resolution } from '../verify/expectation.ts'
import type { BlockInputs, Expectation } from '../verify/expectation.ts'
import { gradientRows } from './reference-rows.ts'

/** A block of rows with the gradient of its output. */
export interface GradientBlock extends BlockInputs {
  /** `[rows, D]` */
  readonly dOutput?: Float32Array
}

/**
 * Computes them in float64, and plainly in the precision of the tensors for the allowance.
 *
 * @param queryLength - L of the whole call; keys are L long too.
 */
export function expectQueryGradients(
  blocks: readonly GradientBlock[],
  queryLength: number,
  mask: Mask | undefined,
  dtype: DType,
): Expectation {
  const allows = mask && compile(mask.expression)
  let [plainError, largest, largestLogarithm] = [0, 0, 0]
  const exact = blocks.map(({ query, key, value, dOutput, firstRow, rows }) => {
    const headDim = query.length / rows
    const options = { queryOffset: firstRow, ...(mask ? { mask } : {}) }
    const inputs = [
      tensor(Float64Array.from(query), [1, 1, rows, headDim]),
      tensor(Float64Array.from(key), [1, 1, queryLength, headDim]),
      tensor(Float64Array.from(value), [1, 1, queryLength, headDim]),
    ] as const
    const gradient = tensor(Float64Array.from(dOutput!), [1, 1, rows, headDim])
    const forward = standardAttention(...inputs, options)
    const { output, logSumExp } = forward
    const { dQuery } = standardAttentionBackward(...inputs, forward, gradient, options)
    const right = dQuery.storage as Float64Array
    for (let row = 0; row < rows; row++) {
      const own = { from: row * headDim, to: (row + 1) * headDim }
      // One query alone, as if it were every query of its head: only its own row is looked at.
      const repeat = (array: ArrayLike<number>): Float32Array => {
        const all = new Float32Array(queryLength * headDim)
        const one = Array.from({ length: headDim }, (_, d) => array[own.from + d]!)
        for (let first = 0; first < all.length; first += headDim) all.set(one, first)
        return all
      }
      const plain = gradientRows(
        {
          query: repeat(query),
          key,
          value,
          output: repeat(output.storage),
          dOutput: repeat(dOutput!),
          logSumExp: new Float32Array(queryLength).fill(logSumExp.storage[row]!),
          headDim,
          visible: (_query, j) =>
            !allows ||
            allows({
              batch: 0,
              head: 0,
              heads: 1,
              queryLength,
              keyLength: queryLength,
              query: firstRow + row,
              queryIndex: firstRow + row,
              key: j,
            }) !== 0,
        },
        0,
        dtype,
      ).subarray(0, headDim)
      plainError = Math.max(plainError, largestDifference(plain, right.subarray(own.from, own.to)))
    }
    for (const logarithm of logSumExp.storage) {
      if (Number.isFinite(logarithm)) {
        largestLogarithm = Math.max(largestLogarithm, Math.abs(logarithm))
      }
    }
    largest = right.reduce((most, element) => Math.max(most, Math.abs(element)), largest)
    return right
  })
  // Kernels keep log-sum-exp in float32, whose rounding, a part of its size, scales all of P; these rows are
  // computed from the exact one.
  const rounding = resolution[dtype] + resolution.float32 * largestLogarithm
  const allowedError = 2 * plainError + rounding * largest
  return { blocks, exact, plainError, allowedError }
}
