// The Boolean algebra of masks: FlexAttention's and_masks and or_masks, and negation.
import { joinAll, mask } from '@attn/core'
import type { BooleanExpression, Mask } from '@attn/core'
import { checkMasks } from '../check.ts'
import { componentsOf, ordersOf, pattern, patternOf, withOrders } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

const longestName = 64

const capitalized = ({ name }: Mask): string => name[0]!.toUpperCase() + name.slice(1)

const fitting = (name: string, otherwise: string): string =>
  name.length <= longestName ? name : otherwise

function joinedName(word: string, masks: readonly Mask[]): string {
  const [first, ...rest] = masks
  const name = first!.name + rest.map((each) => word + capitalized(each)).join('')
  return fitting(name, word.toLowerCase())
}

const conjunction = (masks: readonly Mask[]): BooleanExpression =>
  joinAll(
    masks.map(({ expression }) => expression),
    'and',
  )

/**
 * Visible where every mask allows. The parts are those of the first mask that has several, each
 * narrowed by the others.
 *
 * @throws RangeError without masks, TypeError for anything that is not a mask.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { and, causal, sameDocument } from '@attn/masks'
 * const packed = and(causal(), sameDocument({ lengths: [2, 3] }))
 * packed.name // => 'causalAndDocument'
 * evaluate(packed.expression, { query: 2, key: 1, batch: 0 }) // => 0
 * ```
 */
export function and(...masks: readonly Mask[]): Pattern {
  checkMasks('and', masks)
  const name = joinedName('And', masks)
  const divided = masks.findIndex((each) => componentsOf(each).length > 1)
  const orders = ordersOf(masks)
  if (divided < 0) return pattern(name, () => conjunction(masks), orders)
  const parts = componentsOf(masks[divided]!).map((part) =>
    mask(part.name, () => conjunction(masks.with(divided, part))),
  )
  // Narrowing the whole rather than joining the parts keeps the expression small.
  return Object.freeze({
    ...withOrders(
      mask(name, () => conjunction(masks)),
      orders,
    ),
    components: Object.freeze(parts),
  })
}

/**
 * Visible where at least one mask allows. The parts are those of all the masks.
 *
 * @throws RangeError without masks, TypeError for anything that is not a mask.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { or, slidingWindow } from '@attn/masks'
 * const local = or(slidingWindow(1), slidingWindow(0, 1))
 * evaluate(local.expression, { query: 4, key: 5 }) // => 1
 * evaluate(local.expression, { query: 4, key: 6 }) // => 0
 * ```
 */
export function or(...masks: readonly Mask[]): Pattern {
  checkMasks('or', masks)
  const union = patternOf(joinedName('Or', masks), masks.flatMap(componentsOf))
  return withOrders(union, ordersOf(masks))
}

/**
 * Visible where the mask hides.
 *
 * @throws TypeError for anything that is not a mask.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { causal, not } from '@attn/masks'
 * evaluate(not(causal()).expression, { query: 4, key: 5 }) // => 1
 * ```
 */
export function not(mask: Mask): Pattern {
  checkMasks('not', [mask])
  return pattern(fitting(`not${capitalized(mask)}`, 'not'), () => mask.expression.not())
}
