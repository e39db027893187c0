// What a forward pass leaves to the backward pass, for single queries: once in float64 from the inputs, and once
// as a plain program in the precision of the tensors would. Gradients that are judged by these are judged with
// their forward pass; an error of a score that both passes make alike cancels, as it does for whoever uses them.
import type { GradientHead, Precision } from './reference-rows.ts'

/** Outputs `[L, D]` and log-sum-exps `[L]` of a head; 0 for queries that were not asked for. */
export type RowStatistics = Pick<GradientHead, 'output' | 'logSumExp'>

/** The keys that a query sees, found once for all heads: they have one mask. */
export type KeysOf = (query: number) => readonly number[]

/** Finds them. */
export function visibleKeys({
  visible,
  logSumExp: { length },
}: Pick<GradientHead, 'visible' | 'logSumExp'>): KeysOf {
  const known = new Map<number, readonly number[]>()
  return (query) => {
    const before = known.get(query)
    if (before) return before
    const keys: number[] = []
    for (let key = 0; key < length; key++) if (visible(query, key)) keys.push(key)
    known.set(query, keys)
    return keys
  }
}

/** Computes those of `queries`. */
export function rowStatistics(
  { query, key, value, headDim, logSumExp: { length } }: GradientHead,
  queries: Iterable<number>,
  keysOf: KeysOf,
  { sum, store }: Precision,
): RowStatistics {
  const output = new Float64Array(length * headDim)
  const logSumExp = new Float64Array(length).fill(-Infinity)
  const scale = 1 / Math.sqrt(headDim)
  for (const i of queries) {
    const keys = keysOf(i)
    const scores = keys.map((j) => {
      let product = 0
      for (let d = 0; d < headDim; d++) {
        product = sum(product + query[i * headDim + d]! * key[j * headDim + d]!)
      }
      return sum(product * scale)
    })
    const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity)
    const weights = scores.map((score) => sum(Math.exp(score - largest)))
    const whole = weights.reduce((total, weight) => sum(total + weight), 0)
    if (keys.length === 0) continue
    logSumExp[i] = sum(largest + Math.log(whole))
    for (let d = 0; d < headDim; d++) {
      const weighted = keys.reduce(
        (total, j, index) => sum(total + weights[index]! * value[j * headDim + d]!),
        0,
      )
      output[i * headDim + d] = store(weighted / whole)
    }
  }
  return { output, logSumExp }
}
