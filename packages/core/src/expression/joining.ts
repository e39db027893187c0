// Unions and conjunctions of many masks: joined as a balanced tree, which stays shallow however many there
// are, and taken apart again.
import { rangeError } from '../errors.ts'
import type { BooleanExpression } from './expression.ts'
import type { ExpressionNode } from './node.ts'

type Logical = Extract<ExpressionNode, { kind: 'logical' }>

/**
 * All expressions joined by `and` or `or`, in their order: a tree as deep as the logarithm of their
 * number, which any shader compiler takes.
 *
 * @param expressions - At least one.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate, joinAll } from '@attn/core'
 * const key = coordinate('key')
 * const odd = joinAll(Array.from({ length: 1000 }, (_, n) => key.eq(2 * n + 1)), 'or')
 * evaluate(odd, { key: 77 }) // => 1
 * ```
 */
export function joinAll(
  expressions: readonly BooleanExpression[],
  operation: 'and' | 'or',
): BooleanExpression {
  const [first] = expressions
  if (!first) throw rangeError('joinAll: need at least one expression, got none')
  if (expressions.length === 1) return first
  const middle = Math.ceil(expressions.length / 2)
  return joinAll(expressions.slice(0, middle), operation)[operation](
    joinAll(expressions.slice(middle), operation),
  )
}

/** What unions or conjunctions join that are nested in one another, each once, from left to right. */
export function nestedOperands(
  root: ExpressionNode,
  opens: (node: Logical) => boolean,
): ExpressionNode[] {
  const found: ExpressionNode[] = []
  const seen = new Set<ExpressionNode>() // Said twice, it joins nothing more.
  const waiting = [root]
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (seen.has(node)) continue
    seen.add(node)
    if (node.kind === 'logical' && opens(node)) waiting.push(node.right, node.left)
    else found.push(node)
  }
  return found
}
