// One row of attention as a plain program computes it in the precision of the tensors: every number
// that would be stored is rounded. Its error against float64 is the yardstick for the kernels'.
import { float16Bits, float16Value } from '@attn/core'
import type { DType } from '@attn/core'

/** What one row of attention needs. */
export interface RowInputs {
  /** `[D]` */
  readonly query: Float32Array
  /** `[S, D]` */
  readonly key: Float32Array
  /** `[S, Dv]`, Dv = D. */
  readonly value: Float32Array
  readonly scale: number
  readonly visible: (key: number) => boolean
  /** Added to the scaled score. Default: nothing. */
  readonly bias?: (key: number) => number
}

const toFloat16 = (value: number): number => float16Value(float16Bits(value))

/**
 * softmax(scale q K^T) V of one row. Sums are float32; scores, probabilities and the result are
 * rounded to `dtype`.
 */
export function plainRow(inputs: RowInputs, dtype: DType): Float32Array<ArrayBuffer> {
  const { query, key, value, scale, visible, bias } = inputs
  const { fround } = Math
  const store = dtype === 'float16' ? toFloat16 : fround
  const dims = query.length
  const keys = key.length / dims
  const scores = new Float32Array(keys).fill(-Infinity)
  for (let j = 0; j < keys; j++) {
    if (!visible(j)) continue
    let product = 0
    for (let d = 0; d < dims; d++) product = fround(product + query[d]! * key[j * dims + d]!)
    const score = store(product * scale)
    scores[j] = bias ? store(score + store(bias(j))) : score
  }
  const maximum = scores.reduce((most, score) => Math.max(most, score), -Infinity)
  let sum = 0
  const exponentials = scores.map((score) => Math.exp(score - maximum))
  for (const exponential of exponentials) sum = fround(sum + exponential)
  const output = new Float32Array(dims)
  for (let j = 0; j < keys; j++) {
    if (!visible(j)) continue
    const probability = store(exponentials[j]! / sum)
    for (let d = 0; d < dims; d++) output[d]! += fround(probability * value[j * dims + d]!)
  }
  return output.map(store)
}
