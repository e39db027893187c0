// What nodes an expression may be made of.
import type { Expression } from 'jsep'

/** The parts of a node, and refusal of every node that a mask has no use for. */
export function partsOf(node: Expression): readonly Expression[] {
  switch (node.type) {
    case 'Identifier':
    case 'Literal':
      return []
    case 'UnaryExpression':
      return [node['argument'] as Expression]
    case 'BinaryExpression':
    case 'LogicalExpression':
      return [node['left'] as Expression, node['right'] as Expression]
    case 'ConditionalExpression':
      return ['test', 'consequent', 'alternate'].map((part) => node[part] as Expression)
    case 'CallExpression':
      return node['arguments'] as Expression[]
    case 'Compound':
      throw new SyntaxError('there are several expressions; join them with && or ||')
    default:
      throw new SyntaxError(`${node.type} has no meaning here`)
  }
}
