// The same tree over other coordinates: what a mask says of one token order, frame or sequence, said
// of another. Shared subtrees stay shared.
import { nodesOf } from './graph.ts'
import type { ExpressionNode } from './node.ts'
import { operands } from './node.ts'

/**
 * The node with other operands; the node itself where they are the same.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate, integer, withOperands } from '@attn/core'
 * const sum = coordinate('key').add(1)
 * const node = withOperands(sum.node, [integer(5).node, integer(2).node])
 * evaluate({ node }, {}) // => 7
 * ```
 */
export function withOperands(
  node: ExpressionNode,
  inputs: readonly ExpressionNode[],
): ExpressionNode {
  if (operands(node).every((operand, index) => operand === inputs[index])) return node
  const [first, second, third] = inputs as [ExpressionNode, ExpressionNode, ExpressionNode]
  switch (node.kind) {
    case 'constant':
    case 'coordinate':
    case 'parameter':
      return node
    case 'unary':
    case 'not':
      return Object.freeze({ ...node, operand: first })
    case 'arithmetic':
    case 'comparison':
    case 'logical':
      return Object.freeze({ ...node, left: first, right: second })
    case 'select':
      return Object.freeze({ ...node, condition: first, whenTrue: second, whenFalse: third })
    case 'lookup':
      return Object.freeze({ ...node, indices: inputs })
    case 'contains':
      return Object.freeze({ ...node, row: first, member: second })
  }
}

/**
 * The tree with some of its nodes replaced, from the root down: what is replaced is not looked into.
 *
 * @param replacement - What stands for a node; undefined to look at its operands.
 */
export function substitute(
  root: ExpressionNode,
  replacement: (node: ExpressionNode) => ExpressionNode | undefined,
): ExpressionNode {
  const done = new Map<ExpressionNode, ExpressionNode>()
  const isReplaced = (node: ExpressionNode): boolean => {
    if (done.has(node)) return true
    const other = replacement(node)
    if (other) done.set(node, other)
    return other !== undefined
  }
  for (const node of nodesOf(root, isReplaced)) {
    done.set(
      node,
      withOperands(
        node,
        operands(node).map((operand) => done.get(operand)!),
      ),
    )
  }
  return done.get(root)!
}
