// An expression as a picture shows it: its nodes as a tree with, at each, what it is at one pair and
// what it can be over a tile. Both are asked of core, node by node.
import {
  booleanExpression,
  compileBounds,
  evaluate,
  floatExpression,
  integerExpression,
  operands,
  type Box,
  type ExpressionNode,
} from '@attn/core'

export interface TreeNode {
  readonly label: string
  /** Its place: leaves stand side by side, everything else above the middle of what it reads. */
  readonly column: number
  readonly depth: number
  readonly inputs: readonly TreeNode[]
  /** At the pair: a number, or 1 and 0 for true and false. */
  readonly value: number
  /** Over the tile. */
  readonly low: number
  readonly high: number
  readonly isBoolean: boolean
}

/** @param box - The tile's queries and keys. */
export function expressionTree(
  root: ExpressionNode,
  point: { readonly query: number; readonly key: number },
  box: Box,
): { readonly root: TreeNode; readonly columns: number; readonly depth: number } {
  let columns = 0
  let deepest = 0
  const visit = (node: ExpressionNode, depth: number): TreeNode => {
    deepest = Math.max(deepest, depth)
    const inputs = operands(node).map((operand) => visit(operand, depth + 1))
    const expression = expressionOf(node)
    const { low, high } = compileBounds(expression)(box)
    return {
      label: labelOf(node),
      column: inputs.length > 0 ? middle(inputs) : columns++,
      depth,
      inputs,
      value: evaluate(expression, point),
      low,
      high,
      isBoolean: node.type === 'boolean',
    }
  }
  return { root: visit(root, 0), columns, depth: deepest }
}

function middle(inputs: readonly TreeNode[]): number {
  return (inputs[0]!.column + inputs.at(-1)!.column) / 2
}

function expressionOf(
  node: ExpressionNode,
): ReturnType<typeof booleanExpression | typeof integerExpression | typeof floatExpression> {
  if (node.type === 'boolean') return booleanExpression(node)
  return node.type === 'integer' ? integerExpression(node) : floatExpression(node)
}

const symbols: Readonly<Record<string, string>> = {
  add: '+',
  subtract: '−',
  multiply: '×',
  equal: '=',
  less: '<',
  lessOrEqual: '≤',
  greater: '>',
  greaterOrEqual: '≥',
  absolute: '| |',
}

function labelOf(node: ExpressionNode): string {
  if (node.kind === 'constant') return String(node.value)
  if (node.kind === 'coordinate') return node.name
  const operation = 'operation' in node ? node.operation : node.kind
  return symbols[operation] ?? operation
}

/** Every node, what it reads after it. */
export function nodesBelow(node: TreeNode): readonly TreeNode[] {
  return [node, ...node.inputs.flatMap(nodesBelow)]
}
