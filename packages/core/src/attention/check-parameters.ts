// Whether a call gives the parameters that its expressions read, and nothing else.
import { rangeError } from '../errors.ts'
import { dependencies } from '../expression/dependencies.ts'
import { compile } from '../expression/evaluate.ts'
import type { ResolvedAttention } from './options.ts'

/**
 * Checks that a call gives every parameter its mask and score modifiers use, and no other. Apart
 * from `resolveOptions` because a plan is made before parameters are known.
 *
 * @throws RangeError when one is missing, unknown or out of its range.
 *
 * @example
 * ```ts
 * import { checkParameters, resolveOptions } from '@attn/core'
 * const lengths = { batch: 1, queryLength: 3, keyLength: 3, headDim: 4, valueDim: 4 }
 * const options = { parameters: { width: 3 } }
 * const resolved = resolveOptions('attention', { ...lengths, heads: 1, kvHeads: 1 }, options)
 * checkParameters('attention', resolved) // => throws RangeError: attention: no mask or score modifier uses the parameter width
 * ```
 */
export function checkParameters(caller: string, resolved: ResolvedAttention): void {
  const used = [resolved.mask, ...resolved.scoreModifiers].flatMap((part) =>
    part ? [part.expression] : [],
  )
  const known = new Set<string>()
  for (const expression of used) {
    compile(expression, resolved) // throws for a missing or unfit parameter
    for (const parameter of dependencies(expression.node).parameters) known.add(parameter.name)
  }
  for (const name of Object.keys(resolved.parameters)) {
    if (!known.has(name)) {
      throw rangeError(`${caller}: no mask or score modifier uses the parameter ${name}`)
    }
  }
}
