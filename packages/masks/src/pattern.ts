// A pattern is a mask that also says which named parts it is the union of. Attention only reads the
// mask; pictures colour each pair by the part that allowed it, and statistics count by part.
import { joinAll, joinProposals, mask, rangeError } from '@attn/core'
import type { BooleanExpression, Coordinates, Mask, OrderProposal } from '@attn/core'

/** A mask that knows its parts, such as the window, global and random parts of BigBird. */
export interface Pattern extends Mask {
  /**
   * The parts: a pair is visible exactly if at least one of them allows it. Parts may overlap; where
   * they do, pictures take the first.
   */
  readonly components: readonly Mask[]
}

/**
 * A pattern with a single part, from an expression over the coordinates.
 *
 * @param name - Letters and digits; shown in messages, plans and pictures.
 * @param build - Receives the coordinates, returns a boolean expression: true where visible.
 * @param orders - Orders of the tokens under which it may be made of whole tiles. Default: none.
 * @throws TypeError when `build` returns something else, RangeError for an unusable name.
 *
 * @example
 * ```ts
 * import { pattern } from '@attn/masks'
 * const past = pattern('past', ({ query, key }) => key.lt(query))
 * past.components.length // => 1
 * ```
 */
export function pattern(
  name: string,
  build: (coordinates: Coordinates) => BooleanExpression,
  orders: readonly OrderProposal[] = [],
): Pattern {
  const whole = withOrders(mask(name, build), orders)
  return Object.freeze({ ...whole, components: Object.freeze([whole]) })
}

/** A mask with the orders that it proposes, if any. */
export function withOrders<Kind extends Mask>(whole: Kind, orders: readonly OrderProposal[]): Kind {
  return orders.length > 0 ? Object.freeze({ ...whole, orders: Object.freeze([...orders]) }) : whole
}

/** What any of the masks proposes. */
export function ordersOf(masks: readonly Mask[]): readonly OrderProposal[] {
  return joinProposals(...masks.map(({ orders }) => orders))
}

/**
 * A pattern that is the union of named parts.
 *
 * @param name - Letters and digits; shown in messages, plans and pictures.
 * @param components - At least one mask.
 * @throws RangeError for an unusable name or no parts.
 *
 * @example
 * ```ts
 * import { causal, globalTokens, patternOf } from '@attn/masks'
 * const joined = patternOf('joined', [causal(), globalTokens(2)])
 * joined.components.map(({ name }) => name) // => ['causal', 'globalTokens']
 * ```
 */
export function patternOf(name: string, components: readonly Mask[]): Pattern {
  if (components.length === 0) {
    throw rangeError(`patternOf: ${name} needs at least one part, got none`)
  }
  const expressions = components.map(({ expression }) => expression)
  const union = mask(name, () => joinAll(expressions, 'or'))
  const whole = withOrders(union, ordersOf(components))
  return Object.freeze({ ...whole, components: Object.freeze([...components]) })
}

/**
 * The parts of any mask: those of a pattern, or the mask itself.
 *
 * @example
 * ```ts
 * import { componentsOf, prefixLm } from '@attn/masks'
 * componentsOf(prefixLm(4)).map((part) => part.name) // => ['causal', 'prefix']
 * ```
 */
export function componentsOf(mask: Mask): readonly Mask[] {
  return (mask as Partial<Pattern>).components ?? [mask]
}
