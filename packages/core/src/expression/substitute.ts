// The same tree over other coordinates: what a mask says of one token order, frame or sequence, said
// of another. Shared subtrees stay shared.
import type { ExpressionNode } from './node.ts'
import { operands } from './node.ts'

/** The node with other operands; the node itself where they are the same. */
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
  const visit = (node: ExpressionNode): ExpressionNode => {
    const known = done.get(node)
    if (known) return known
    const result = replacement(node) ?? withOperands(node, operands(node).map(visit))
    done.set(node, result)
    return result
  }
  return visit(root)
}
