// A different mask for each head, as DeepSpeed's layouts and the Sparse Transformer's multi-head
// integration (arXiv 1904.10509, section 4.3) ask for.
import { coordinate, joinAll, mask } from '@attn/core'
import type { BooleanExpression, Mask } from '@attn/core'
import { checkMasks } from '../check.ts'
import { componentsOf, ordersOf, withOrders } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/**
 * Head h uses `masks[h mod masks.length]`.
 *
 * @param masks - One mask a head, or fewer, dealt round in turn. One mask may stand for many heads.
 * @throws RangeError without masks, TypeError for anything that is not a mask.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { causal, perHead, slidingWindow } from '@attn/masks'
 * const mixed = perHead([slidingWindow(1), causal()])
 * evaluate(mixed.expression, { head: 0, query: 5, key: 0 }) // => 0
 * evaluate(mixed.expression, { head: 1, query: 5, key: 0 }) // => 1
 * ```
 */
export function perHead(masks: readonly Mask[]): Pattern {
  checkMasks('perHead', masks)
  const turn = coordinate('head').mod(masks.length)
  const isTurnOf = (each: Mask): BooleanExpression | undefined => {
    const turns = [...masks.keys()].filter((index) => masks[index] === each)
    if (turns.length === masks.length) return undefined
    return joinAll(
      turns.map((index) => turn.eq(index)),
      'or',
    )
  }
  const distinct = [...new Set(masks)]
  const narrowed = (each: Mask, expression: BooleanExpression): BooleanExpression =>
    isTurnOf(each)?.and(expression) ?? expression
  const ofHeads = distinct.map((each) => narrowed(each, each.expression))
  const whole = mask('perHead', () => joinAll(ofHeads, 'or'))
  const components = distinct.flatMap((each) =>
    componentsOf(each).map((part) => mask(part.name, () => narrowed(each, part.expression))),
  )
  return Object.freeze({
    ...withOrders(whole, ordersOf(masks)),
    components: Object.freeze(components),
  })
}
