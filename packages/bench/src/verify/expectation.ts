// What a correct result looks like, and how far from it a kernel may be: FlashAttention's rule, at
// most twice the error of a plain implementation in the same precision, both against float64.
import { compile, standardAttention, tensor } from '@attn/core'
import type { DType, Mask } from '@attn/core'
import { plainRow } from './plain-row.ts'
import type { RowBlock } from './sample.ts'

/** A block of rows and what its head attends to. */
export interface BlockInputs extends RowBlock {
  /** `[rows, D]` */
  readonly query: Float32Array
  /** `[S, D]` */
  readonly key: Float32Array
  /** `[S, D]` */
  readonly value: Float32Array
}

/** The right rows and the allowance for error. */
export interface Expectation {
  readonly blocks: readonly RowBlock[]
  /** `[rows, D]` per block, float64. */
  readonly exact: readonly Float64Array[]
  /** Largest error of a plain implementation in the same precision. */
  readonly plainError: number
  /** Largest error that passes. */
  readonly allowedError: number
}

/** How one result compares. */
export interface Verification {
  /** Rows that were compared. */
  readonly rows: number
  /** Largest difference from the CPU reference. */
  readonly error: number
  readonly plainError: number
  readonly allowedError: number
  readonly passed: boolean
}

/** Distance between 1 and the next number. */
export const resolution: Readonly<Record<DType, number>> = {
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
}

/**
 * Computes what the sampled rows ought to be, with the CPU reference in float64.
 *
 * @param queryLength - L of the whole call; keys are L long too.
 * @param mask - Independent of batch and head.
 */
export function expectRows(
  blocks: readonly BlockInputs[],
  queryLength: number,
  mask: Mask | undefined,
  dtype: DType,
): Expectation {
  let plainError = 0
  let largestOutput = 0
  const visibility = mask && compile(mask.expression)
  const exact = blocks.map(({ query, key, value, firstRow, rows }) => {
    const headDim = query.length / rows
    const { output } = standardAttention(
      tensor(Float64Array.from(query), [1, 1, rows, headDim]),
      tensor(key, [1, 1, queryLength, headDim]),
      tensor(value, [1, 1, queryLength, headDim]),
      { queryOffset: firstRow, ...(mask ? { mask } : {}) },
    )
    const right = output.storage as Float64Array
    for (let row = 0; row < rows; row++) {
      const range = [row * headDim, (row + 1) * headDim] as const
      const position = { batch: 0, head: 0, query: firstRow + row, queryIndex: firstRow + row }
      const lengths = { heads: 1, queryLength, keyLength: queryLength }
      const plain = plainRow(
        {
          query: query.subarray(...range),
          key,
          value,
          scale: 1 / Math.sqrt(headDim),
          visible: (j) => !visibility || visibility({ ...position, ...lengths, key: j }) !== 0,
        },
        dtype,
      )
      plainError = Math.max(plainError, largestDifference(plain, right.subarray(...range)))
    }
    largestOutput = right.reduce(
      (most, element) => Math.max(most, Math.abs(element)),
      largestOutput,
    )
    return right
  })
  // The second term lets a lucky plain run, exact by chance, not fail a kernel that rounds once.
  const allowedError = 2 * plainError + resolution[dtype] * largestOutput
  return { blocks, exact, plainError, allowedError }
}

/**
 * Compares a result with what was expected.
 *
 * @param actual - `[rows, D]` per block of the expectation.
 */
export function verifyRows(
  { blocks, exact, plainError, allowedError }: Expectation,
  actual: readonly ArrayLike<number>[],
): Verification {
  const errors = actual.map((block, index) => largestDifference(block, exact[index]!))
  const error = errors.reduce((most, value) => Math.max(most, value), 0)
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0)
  return { rows, error, plainError, allowedError, passed: error <= allowedError }
}

/** The largest absolute difference; Infinity where a number is missing or NaN. */
export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = 0
  for (let index = 0; index < expected.length; index++) {
    const difference = Math.abs((actual[index] ?? Number.NaN) - expected[index]!)
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference
  }
  return largest
}
