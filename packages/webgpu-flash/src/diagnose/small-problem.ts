// A small problem with a known answer: what a device is asked before it is trusted, or when something seems
// to be wrong with it.
import { cast, mask, standardAttention, tensor, toFloat64Array } from '@attn/core'
import type { AttentionResult, DType, Mask, Tensor } from '@attn/core'

/** The mask of small problems. */
export const causal: Mask = mask('causal', ({ query, key }) => key.le(query))

/** Numbers in -1..1, the same on every device. */
export function smallTensor(seed: number, length: number, dim: number): Tensor {
  const heads = 2
  const values = Float32Array.from({ length: heads * length * dim }, (_, i) =>
    Math.sin(12.9898 * (i + 1) + 78.233 * seed),
  )
  return tensor(values, [1, heads, length, dim])
}

/** Queries, keys and values of a type. */
export function smallInputs(
  dtype: DType,
  queries: number,
  keys: number,
  dim: number,
): [query: Tensor, key: Tensor, value: Tensor] {
  const make = (seed: number, length: number): Tensor => cast(smallTensor(seed, length, dim), dtype)
  return [make(1, queries), make(2, keys), make(3, keys)]
}

/** The answer in float64. */
export function exactAttention(inputs: readonly [Tensor, Tensor, Tensor]): AttentionResult {
  const [query, key, value] = inputs.map((part) => cast(part, 'float64')) as [
    Tensor,
    Tensor,
    Tensor,
  ]
  return standardAttention(query, key, value, { mask: causal })
}

/** Halves of such numbers are off by 2^-12 at most, and so are averages of them. */
export const allowances: Readonly<Record<DType, number>> = {
  float32: 1e-5,
  float16: 4e-3,
  bfloat16: 3e-2,
}

/** The largest absolute difference; NaN where the result holds NaN. */
export function largestDifference(actual: Tensor, expected: Tensor): number {
  const wanted = toFloat64Array(expected)
  return Math.max(...Array.from(toFloat64Array(actual), (value, i) => Math.abs(value - wanted[i]!)))
}
