// An expression at many pairs at once, and the gradient of all its tables in one sweep back over the tree
// (reverse mode: Linnainmaa, 1970). Each node is computed once, however often it is used and however many
// tables there are, which is what training a bias such as FIRE's needs; @attn/core differentiates
// table entry by table entry, and is what this is tested against.
import { operands, typeError } from '@attn/core'
import type { ExpressionNode, Table } from '@attn/core'
import type { Pairs } from './pairs.ts'
import { backwardOf, forwardOf } from './operations.ts'

/** A score modifier that adds to the score, at chosen pairs. */
export interface ArrayEvaluator {
  /** What is added to the score at each pair, with the tables as they are now. Reuses its result. */
  values(): Float64Array
  /**
   * Adds to the gradients of trainable tables, given that of each value. After `values`.
   *
   * @param gradient - One number a pair.
   * @param into - For each table an array of its size.
   */
  pullback(gradient: Float64Array, into: ReadonlyMap<Table, Float64Array>): void
}

/** What the value of a node is made of while it is computed. */
export interface Slot {
  readonly node: ExpressionNode
  readonly operands: readonly Slot[]
  readonly values: Float64Array
  /** Gradient of the sum of all by this node's values; undefined for nodes that no table reaches. */
  readonly gradient: Float64Array | undefined
}

/**
 * Lays out an expression for pairs.
 *
 * @param expression - Of a score modifier.
 * @param lengths - L, S and H, for expressions that ask.
 * @throws TypeError for an expression with parameters, which have no value here.
 */
export function arrayEvaluator(
  expression: { readonly node: ExpressionNode },
  pairs: Pairs,
  lengths: { readonly length: number; readonly heads: number },
): ArrayEvaluator {
  const count = pairs.query.length
  const slots = new Map<ExpressionNode, Slot>()
  const slotOf = (node: ExpressionNode): Slot => {
    const known = slots.get(node)
    if (known) return known
    const children = operands(node).map(slotOf)
    const reached =
      node.type === 'float' &&
      ((node.kind === 'lookup' && node.table.trainable) ||
        children.some(({ gradient }) => gradient))
    const slot: Slot = {
      node,
      operands: children,
      values: constantValues(node, pairs, lengths) ?? new Float64Array(count),
      gradient: reached ? new Float64Array(count) : undefined,
    }
    slots.set(node, slot)
    return slot
  }
  const root = slotOf(expression.node)
  const inOrder = [...slots.values()]
  const computed = inOrder.filter(
    ({ node }) => node.kind !== 'constant' && node.kind !== 'coordinate',
  )
  return {
    values() {
      for (const slot of computed) forwardOf(slot)
      return root.values
    },
    pullback(gradient, into) {
      for (const slot of inOrder) slot.gradient?.fill(0)
      if (!root.gradient) return
      root.gradient.set(gradient)
      for (const slot of inOrder.toReversed()) if (slot.gradient) backwardOf(slot, into)
    },
  }
}

/** Values of what does not change from call to call. */
function constantValues(
  node: ExpressionNode,
  pairs: Pairs,
  { length, heads }: { readonly length: number; readonly heads: number },
): Float64Array | undefined {
  const count = pairs.query.length
  if (node.kind === 'constant') return new Float64Array(count).fill(node.value)
  if (node.kind === 'parameter') {
    throw typeError(`arrayEvaluator: parameters have no value here, got ${node.parameter.name}`)
  }
  if (node.kind !== 'coordinate') return undefined
  switch (node.name) {
    case 'head':
      return Float64Array.from(pairs.head)
    case 'query':
    case 'queryIndex':
      return Float64Array.from(pairs.query)
    case 'key':
      return Float64Array.from(pairs.key)
    case 'queryLength':
    case 'keyLength':
      return new Float64Array(count).fill(length)
    case 'heads':
      return new Float64Array(count).fill(heads)
    case 'score':
    case 'batch':
    case 'slot':
      return new Float64Array(count)
  }
}
