// Gradients of single rows, computed plainly: a row of dQ from all keys, rows of dK and dV from all
// queries and the forward pass's log-sum-exps. Once in float64, which is right, and once as a program in
// the precision of the tensors would, whose error is the yardstick for kernels (FlashAttention's rule).
import { float16Bits, float16Value } from '@attn/core'
import type { DType } from '@attn/core'

/** One head of a forward pass and the gradient of its output, `[L, D]` each. */
export interface GradientHead {
  readonly query: Float32Array
  readonly key: Float32Array
  readonly value: Float32Array
  readonly output: ArrayLike<number>
  readonly dOutput: Float32Array
  /** `[L]`, natural logarithms. */
  readonly logSumExp: ArrayLike<number>
  readonly headDim: number
  readonly visible: (query: number, key: number) => boolean
}

/** How numbers are rounded: in sums, and where a program would store them. */
export interface Precision {
  readonly sum: (value: number) => number
  readonly store: (value: number) => number
}

const toFloat16 = (value: number): number => float16Value(float16Bits(value))
/** In float64. */
export const exactly: Precision = { sum: (value) => value, store: (value) => value }
/** Of a program in the precision of the tensors. */
export const plainly = (dtype: DType): Precision => ({
  sum: Math.fround,
  store: dtype === 'float16' ? toFloat16 : Math.fround,
})

/** The rows of each gradient at one position, one after the other: dQ, dK, dV. */
export function gradientRows(
  head: GradientHead,
  position: number,
  dtype: DType | 'exact',
): Float64Array {
  const { headDim } = head
  const precision = dtype === 'exact' ? exactly : plainly(dtype)
  const { store } = precision
  const length = head.logSumExp.length
  const rows = new Float64Array(3 * headDim)
  const scale = 1 / Math.sqrt(headDim)
  for (let other = 0; other < length; other++) {
    const asQuery = gradientOfPair(head, position, other, scale, precision)
    if (asQuery) addTo(rows, 0, store(asQuery.score * scale), head.key, other, headDim, precision)
    const asKey = gradientOfPair(head, other, position, scale, precision)
    if (!asKey) continue
    addTo(rows, headDim, store(asKey.score * scale), head.query, other, headDim, precision)
    addTo(rows, 2 * headDim, asKey.weight, head.dOutput, other, headDim, precision)
  }
  return rows.map(store)
}

/** P and dS of one pair; nothing where it is hidden. */
function gradientOfPair(
  { query, key, value, output, dOutput, logSumExp, headDim, visible }: GradientHead,
  i: number,
  j: number,
  scale: number,
  { sum, store }: Precision,
): { readonly weight: number; readonly score: number } | undefined {
  if (!visible(i, j)) return undefined
  let [product, delta, gradient] = [0, 0, 0]
  for (let d = 0; d < headDim; d++) {
    const [atQuery, atKey] = [i * headDim + d, j * headDim + d]
    product = sum(product + query[atQuery]! * key[atKey]!)
    delta = sum(delta + dOutput[atQuery]! * output[atQuery]!)
    gradient = sum(gradient + dOutput[atQuery]! * value[atKey]!)
  }
  const weight = store(Math.exp(store(product * scale) - logSumExp[i]!))
  return { weight, score: store(weight * (store(gradient) - delta)) }
}

function addTo(
  rows: Float64Array,
  first: number,
  factor: number,
  from: Float32Array,
  row: number,
  headDim: number,
  { sum }: Precision,
): void {
  for (let d = 0; d < headDim; d++) {
    rows[first + d] = sum(rows[first + d]! + factor * from[row * headDim + d]!)
  }
}
