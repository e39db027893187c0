// What gradients that are sums over rows (of sinks, of tables) are off by where each row's delta is off by a little: errors
// of rows have no common sign, so they add up by their squares.
import { pairGradients } from '../../packages/core/src/attention/pair-gradients.ts'
import { pairRules } from '../../packages/core/src/attention/pair-rules.ts'
import { resolveOptions, toFloat64Array } from '../../packages/core/src/index.ts'
import type {
  AttentionOptions,
  AttentionShape,
  Table,
  Tensor,
} from '../../packages/core/src/index.ts'

/** Of each number what it may be off by. */
export interface SumErrors {
  readonly dSinks: Float64Array
  readonly dTables: ReadonlyMap<Table, Float64Array>
}

/**
 * Goes through the backward pass once with nothing but the deltas' errors in it.
 *
 * @param logSumExp - Of each row.
 * @param errors - Of each row's delta.
 */
export function sumErrors(
  shape: AttentionShape,
  inputs: { readonly query: Tensor; readonly key: Tensor },
  options: AttentionOptions,
  logSumExp: ArrayLike<number>,
  errors: ArrayLike<number>,
): SumErrors {
  const { heads, kvHeads, queryLength, keyLength, headDim } = shape
  const resolved = resolveOptions('sumErrors', shape, options)
  const rules = pairRules(shape, resolved)
  const gradients = pairGradients(shape, resolved)
  const { dTables } = gradients
  const [q, k] = [toFloat64Array(inputs.query), toFloat64Array(inputs.key)]
  const sinkSquares = new Float64Array(heads)
  const tableSquares = new Map(
    [...dTables].map(([table, { length }]) => [table, new Float64Array(length)]),
  )
  for (let row = 0; row < logSumExp.length; row++) {
    const i = row % queryLength
    const h = Math.floor(row / queryLength) % heads
    const b = Math.floor(row / (queryLength * heads))
    const sink = resolved.sinks?.[h] ?? -Infinity
    if (sink > -Infinity) sinkSquares[h]! += (Math.exp(sink - logSumExp[row]!) * errors[row]!) ** 2
    if (dTables.size === 0) continue
    const kvRow = (b * kvHeads + Math.floor((h * kvHeads) / heads)) * keyLength
    rules.atQuery(b, h, i)
    for (let j = 0; j < keyLength; j++) {
      if (!rules.visible(j)) continue
      let product = 0
      for (let d = 0; d < headDim; d++)
        product += q[row * headDim + d]! * k[(kvRow + j) * headDim + d]!
      product *= resolved.scale
      const score = rules.modify(product, j)
      if (score === -Infinity) continue
      gradients.backward(b, h, i, j, product, Math.exp(score - logSumExp[row]!) * errors[row]!)
    }
    for (const [table, sums] of dTables) {
      const squares = tableSquares.get(table)!
      sums.forEach((sum, entry) => {
        squares[entry]! += sum ** 2
      })
      sums.fill(0)
    }
  }
  const roots = (squares: Float64Array): Float64Array => squares.map(Math.sqrt)
  return {
    dSinks: roots(sinkSquares),
    dTables: new Map([...tableSquares].map(([table, squares]) => [table, roots(squares)])),
  }
}
