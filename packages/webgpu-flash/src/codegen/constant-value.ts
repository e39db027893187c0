// Parts of an expression that are constant. WGSL computes those when it compiles, and refuses the
// shader where one overflows or divides by zero; here they become the literal that the CPU gets.
import { bottomUp, evaluate, rangeError } from '@attn/core'
import type { ExpressionNode } from '@attn/core'

/** Whether a node depends on nothing: no coordinate, parameter or table. */
export const isConstant: (node: ExpressionNode) => boolean = bottomUp(
  (node, inputs) =>
    node.kind === 'constant' ||
    (node.kind !== 'lookup' &&
      node.kind !== 'contains' &&
      inputs.length > 0 &&
      inputs.every((constant) => constant)),
  new WeakMap<ExpressionNode, boolean>(),
)

/**
 * The value of a node that depends on nothing, integers wrapped to 32 bits; undefined for others.
 *
 * @throws RangeError when it is not a number, such as 0 / 0.
 */
export function constantValue(node: ExpressionNode): number | undefined {
  if (!isConstant(node)) return undefined
  const value = evaluate({ node }, {})
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw rangeError(
      'flash.plan: a constant in an expression must be a number, got one such as 0 / 0 or log(-1)',
    )
  }
  return node.type === 'integer' ? value | 0 : value
}
