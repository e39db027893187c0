// Is the output right? Rows of it against standard attention in float64. The bound is FlashAttention's
// rule: at most twice the error of a plain implementation in the precision of the inputs.
import {
  attentionShape,
  slice,
  standardAttention,
  toFloat64Array,
  type AttentionOptions,
  type Tensor,
} from '@attn/core'
import type { Inputs } from './inputs.ts'
import { plainAttention } from './plain-attention.ts'

export interface Check {
  readonly passed: boolean
  /** Largest absolute error of the output. */
  readonly error: number
  /** Largest absolute error of the plain implementation on the same rows. */
  readonly plainError: number
  /** Query positions that were compared, in every sequence and head, and how many there are. */
  readonly rows: number
  readonly allRows: number
}

/** Multiplications and additions to spend: a second or two. */
const budget = 4e8

/** Positions to compare: all, or the first, the last and evenly spread ones between them. */
export function sampledRows(length: number, workPerRow: number): number[] {
  const count = Math.min(length, Math.max(2, Math.floor(budget / workPerRow)), 512)
  if (count >= length) return Array.from({ length }, (_, row) => row)
  return Array.from({ length: count }, (_, index) =>
    Math.round((index * (length - 1)) / (count - 1)),
  )
}

/** Compares rows of an output `[B, H, L, Dv]` with the reference. */
export function checkOutput(inputs: Inputs, options: AttentionOptions, output: Tensor): Check {
  const { query, key, value } = inputs
  const shape = attentionShape('checkOutput', query, key, value)
  const { batch, heads, queryLength, keyLength, headDim, valueDim } = shape
  const rows = sampledRows(queryLength, 2 * batch * heads * keyLength * (headDim + valueDim))
  const keys = exact(key)
  const values = exact(value)
  let error = 0
  let plainError = 0
  for (const row of rows) {
    const oneQuery = exact(slice(query, 2, row, row + 1))
    const oneRow = { ...options, queryOffset: keyLength - queryLength + row }
    const expected = toFloat64Array(standardAttention(oneQuery, keys, values, oneRow).output)
    const plain = plainAttention(oneQuery, keys, values, oneRow, query.dtype)
    const got = toFloat64Array(slice(output, 2, row, row + 1))
    error = Math.max(error, largestDifference(got, expected))
    plainError = Math.max(plainError, largestDifference(plain, expected))
  }
  return {
    passed: error <= 2 * plainError,
    error,
    plainError,
    rows: rows.length,
    allRows: queryLength,
  }
}

/** The same numbers in float64, so that the reference does not round its result. */
function exact(input: Tensor): Tensor {
  const { shape } = input
  const storage = toFloat64Array(input)
  const [, heads, length, dim] = shape as [number, number, number, number]
  return {
    dtype: 'float64',
    shape,
    strides: [heads * length * dim, length * dim, dim, 1],
    offset: 0,
    storage,
  }
}

function largestDifference(got: Float64Array, expected: Float64Array): number {
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(got[i]! - expected[i]!)
    // A NaN must not pass for a small difference.
    largest = Number.isNaN(difference) ? Infinity : Math.max(largest, difference)
  }
  return largest
}
