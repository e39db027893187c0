// A mask `a or b` as parts that see disjoint pairs, `a` and `b and not a`: attention over each of them
// can stand in an order of its own, and the results merge by log-sum-exp.
import { boolean, booleanExpression } from '../expression/expression.ts'
import type { BooleanExpression } from '../expression/expression.ts'
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
  const parts = partsOf(mask.expression.node)
  return parts.length === 1 || parts.length > mostParts
    ? [mask]
    : parts.map((expression) => named(mask, expression))
}

function partsOf(node: ExpressionNode): readonly BooleanExpression[] {
  if (node.kind === 'logical' && node.operation === 'or') {
    return [...partsOf(node.left), ...partsOf(node.right)]
  }
  if (node.kind === 'logical' && node.operation === 'and') {
    const [left, right] = [partsOf(node.left), partsOf(node.right)]
    if (left.length * right.length > 1 && left.length * right.length <= mostParts) {
      return left.flatMap((a) => right.map((b) => a.and(b)))
    }
  }
  return [booleanExpression(node)]
}

/** The union of parts without what earlier ones see. */
export function partWithout(mask: Mask, parts: readonly Mask[], earlier: readonly Mask[]): Mask {
  const own = union(parts)
  return named(mask, earlier.length === 0 ? own : own.and(union(earlier).not()))
}

function union(masks: readonly Mask[]): BooleanExpression {
  const [first, ...rest] = masks
  return rest.reduce((any, part) => any.or(part.expression), first?.expression ?? boolean(false))
}

function named(mask: Mask, expression: BooleanExpression): Mask {
  return Object.freeze({ kind: 'mask', name: mask.name, expression })
}
