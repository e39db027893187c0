// A tree as short text, for counterexamples.
import { operands } from '@attn/core'
import type { ExpressionNode } from '@attn/core'

/** For example `lessOrEqual(key, subtract(query, 3))`. */
export function showExpression(node: ExpressionNode): string {
  return nameOf(node) + argumentsOf(node)
}

function nameOf(node: ExpressionNode): string {
  switch (node.kind) {
    case 'constant':
      return String(node.value)
    case 'coordinate':
      return node.name
    case 'parameter':
      return node.parameter.name
    case 'unary':
    case 'arithmetic':
    case 'comparison':
    case 'logical':
      return node.operation
    case 'lookup':
      return node.table.name
    case 'contains':
      return `${node.relation.name}.contains`
    case 'not':
    case 'select':
      return node.kind
  }
}

function argumentsOf(node: ExpressionNode): string {
  const parts = operands(node).map(showExpression)
  return parts.length === 0 ? '' : `(${parts.join(', ')})`
}
