// A mask `a or b` as parts that see disjoint pairs, `a` and `b and not a`: attention over each of them
// can stand in an order of its own, and the results merge by log-sum-exp.
import { booleanExpression } from '../expression/expression.ts'
import type { BooleanExpression } from '../expression/expression.ts'
import { bottomUp } from '../expression/graph.ts'
import { joinAll } from '../expression/joining.ts'
import type { Mask } from '../expression/mask.ts'
import type { ExpressionNode } from '../expression/node.ts'

/** More parts than this are not told apart. */
const mostParts = 8

/**
 * The operands of the unions at the top of a mask, `and` distributed over them; the mask itself where
 * there are none. They may overlap.
 *
 * @example
 * ```ts
 * import { mask, unionParts } from '@attn/core'
 * const merged = mask('merged', ({ query, key }) =>
 *   key.le(query).and(key.gt(query.sub(4)).or(key.mod(4).eq(3))),
 * )
 * unionParts(merged).length // => 2
 * ```
 */
export function unionParts(mask: Mask): readonly Mask[] {
  const parts = bottomUp(partsOf)(mask.expression.node)
  return parts.length === 1 || parts.length > mostParts
    ? [mask]
    : parts.map((part) => named(mask, booleanExpression(part)))
}

/** The parts of a node from those of its operands; of more than are told apart, one too many. */
function partsOf(
  node: ExpressionNode,
  [left, right]: readonly (readonly ExpressionNode[])[],
): readonly ExpressionNode[] {
  if (node.kind !== 'logical' || !left || !right) return [node]
  if (node.operation === 'or') return [...left, ...right].slice(0, mostParts + 1)
  const pairs = left.length * right.length
  if (node.operation === 'xor' || pairs === 1 || pairs > mostParts) return [node]
  return left.flatMap((a) => right.map((b) => booleanExpression(a).and(booleanExpression(b)).node))
}

/** The union of parts without what earlier ones see. */
export function partWithout(mask: Mask, parts: readonly Mask[], earlier: readonly Mask[]): Mask {
  const own = union(parts)
  return named(mask, earlier.length === 0 ? own : own.and(union(earlier).not()))
}

function union(masks: readonly Mask[]): BooleanExpression {
  return joinAll(
    masks.map(({ expression }) => expression),
    'or',
  )
}

function named(mask: Mask, expression: BooleanExpression): Mask {
  return Object.freeze({ kind: 'mask', name: mask.name, expression })
}
