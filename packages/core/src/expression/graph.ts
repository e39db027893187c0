// Expressions as graphs: a subtree may be used many times and chains may be thousands of nodes long, so
// everything that reads an expression goes over its nodes once, in this order.
import { operands } from './node.ts'
import type { ExpressionNode } from './node.ts'

/**
 * Every node of an expression once, operands before what takes them; the root is last.
 *
 * @param leftOut - Nodes to leave out, with what only they use. Default: none.
 *
 * @example
 * ```ts
 * import { coordinate, nodesOf } from '@attn/core'
 * const distance = coordinate('query').sub(coordinate('key'))
 * nodesOf(distance.mul(distance).node).map(({ kind }) => kind)
 * // => ['coordinate', 'coordinate', 'arithmetic', 'arithmetic']
 * ```
 */
export function nodesOf(
  root: ExpressionNode,
  leftOut?: (node: ExpressionNode) => boolean,
): ExpressionNode[] {
  const order: ExpressionNode[] = []
  if (leftOut?.(root)) return order
  const seen = new Set([root])
  const isNew = (node: ExpressionNode): boolean => {
    if (seen.has(node) || leftOut?.(node)) return false
    seen.add(node)
    return true
  }
  /** Calls itself, which is quick, so many times; then keeps the way to where it is in a list. */
  const visit = (node: ExpressionNode, levels: number): void => {
    if (levels === 0) return follow(node)
    for (const input of operands(node)) if (isNew(input)) visit(input, levels - 1)
    order.push(node)
  }
  const follow = (start: ExpressionNode): void => {
    const path = [{ node: start, inputs: operands(start), next: 0 }]
    for (let last = path.at(0); last; last = path.at(-1)) {
      const input = last.inputs[last.next++]
      if (!input) {
        order.push(last.node)
        path.pop()
      } else if (isNew(input)) {
        path.push({ node: input, inputs: operands(input), next: 0 })
      }
    }
  }
  visit(root, mostCalls)
  return order
}

/** Calls inside of one another; engines have room for some thousands. */
const mostCalls = 64

/**
 * How often each node is an operand, the root once.
 *
 * @example
 * ```ts
 * import { coordinate, usesOf } from '@attn/core'
 * const key = coordinate('key')
 * usesOf(key.mul(key).node).get(key.node) // => 2
 * ```
 */
export function usesOf(root: ExpressionNode): Map<ExpressionNode, number> {
  const uses = new Map([[root, 1]])
  for (const node of nodesOf(root)) {
    for (const input of operands(node)) uses.set(input, (uses.get(input) ?? 0) + 1)
  }
  return uses
}

/**
 * A function from nodes to values, each made once from those of the node's operands: however it is
 * asked, the work is linear in the graph.
 *
 * @param known - Where values are kept. Default: a Map, so as long as the function is.
 *
 * @example
 * ```ts
 * import { bottomUp, coordinate } from '@attn/core'
 * const heightOf = bottomUp<number>((_, heights) => 1 + Math.max(0, ...heights))
 * heightOf(coordinate('key').add(1).mul(2).node) // => 3
 * ```
 */
export function bottomUp<Value>(
  make: (node: ExpressionNode, inputs: readonly Value[]) => Value,
  known: NodeValues<Value> = new Map<ExpressionNode, Value>(),
): (root: ExpressionNode) => Value {
  const visit = (node: ExpressionNode, levels: number): Value => {
    if (!known.has(node)) {
      if (levels === 0) nodesOf(node, (each) => known.has(each)).forEach((each) => visit(each, 1))
      else
        known.set(
          node,
          make(
            node,
            operands(node).map((input) => visit(input, levels - 1)),
          ),
        )
    }
    return known.get(node)!
  }
  return (root) => visit(root, mostCalls)
}

/** Values by node: a Map, or a WeakMap where nodes may be forgotten first. */
export interface NodeValues<Value> {
  has(node: ExpressionNode): boolean
  get(node: ExpressionNode): Value | undefined
  set(node: ExpressionNode, value: Value): unknown
}
