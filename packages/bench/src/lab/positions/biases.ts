// The biases of a position method at all pairs that causal attention sees, and the gradients of its tables.
import type { Table } from '@attn/core'
import { arrayEvaluator } from '../bias/array-evaluator.ts'
import type { ArrayEvaluator } from '../bias/array-evaluator.ts'
import { biasPairs } from '../bias/pairs.ts'
import type { PositionModel } from './methods.ts'

/** Pairs that are computed at once: each node of the expression keeps a number for each. */
const mostPairs = 2 ** 15

/** The biases of all pairs in the order of `biasPairs(heads, 0, length)`; undefined without a bias. */
export function biasesAt(
  { modifier }: PositionModel,
  { heads, length }: { readonly heads: number; readonly length: number },
): Float32Array | undefined {
  if (!modifier) return undefined
  const perHead = (length * (length + 1)) / 2
  const result = new Float32Array(heads * perHead)
  const rows = Math.max(1, Math.floor(mostPairs / (heads * length)))
  for (let from = 0; from < length; from += rows) {
    const to = Math.min(from + rows, length)
    const pairs = biasPairs(heads, from, to)
    const values = arrayEvaluator(modifier.expression, pairs, { length, heads }).values()
    const count = values.length / heads
    for (let head = 0; head < heads; head++) {
      const place = head * perHead + (from * (from + 1)) / 2
      result.set(values.subarray(head * count, (head + 1) * count), place)
    }
  }
  return result
}

/** Biases that change from step to step, since their tables are trained. */
export interface TrainedBiases {
  /** In the order of `biasPairs(heads, 0, length)`. */
  values(): Float32Array
  /**
   * Gradients of the tables.
   *
   * @param gradient - `[heads, length, row]`, of the biases.
   */
  gradients(gradient: Float32Array): Float32Array[]
}

/** The biases of a method with trainable tables; undefined for others. */
export function trainedBiases(
  { modifier, modifierTables }: PositionModel,
  { heads, length, row }: { readonly heads: number; readonly length: number; readonly row: number },
): TrainedBiases | undefined {
  if (!modifier || !modifierTables) return undefined
  const pairs = biasPairs(heads, 0, length)
  const evaluator: ArrayEvaluator = arrayEvaluator(modifier.expression, pairs, { length, heads })
  const compact = new Float64Array(pairs.query.length)
  return {
    values: () => Float32Array.from(evaluator.values()),
    gradients(gradient) {
      for (let pair = 0; pair < compact.length; pair++) {
        const line = pairs.head[pair]! * length + pairs.query[pair]!
        compact[pair] = gradient[line * row + pairs.key[pair]!]!
      }
      const sums = new Map<Table, Float64Array>(
        modifierTables.map((table) => [table, new Float64Array(table.values.length)]),
      )
      evaluator.pullback(compact, sums)
      return modifierTables.map((table) => Float32Array.from(sums.get(table)!))
    },
  }
}
