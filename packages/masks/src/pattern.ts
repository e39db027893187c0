// A pattern is a mask that also says which named parts it is the union of. Attention only reads the
// mask; pictures colour each pair by the part that allowed it, and statistics count by part.
import { mask } from '@attn/core'
import type { BooleanExpression, Coordinates, Mask } from '@attn/core'

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
 * @throws TypeError when `build` returns something else, RangeError for an unusable name.
 */
export function pattern(
  name: string,
  build: (coordinates: Coordinates) => BooleanExpression,
): Pattern {
  const whole = mask(name, build)
  return Object.freeze({ ...whole, components: Object.freeze([whole]) })
}

/**
 * A pattern that is the union of named parts.
 *
 * @param name - Letters and digits; shown in messages, plans and pictures.
 * @param components - At least one mask.
 * @throws RangeError for an unusable name or no parts.
 */
export function patternOf(name: string, components: readonly Mask[]): Pattern {
  const [first, ...rest] = components
  if (!first) throw new RangeError(`patternOf: ${name} needs at least one part, got none`)
  const whole = mask(name, () =>
    rest.reduce((union, part) => union.or(part.expression), first.expression),
  )
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
