// Small pieces that several kernels are composed of: unrolled statements over the registers a
// thread owns, and the functions through which a kernel asks for masks and score changes.
import type { Mask, ScoreModifier } from '@attn/core'
import { expressionFunction, helperText } from './expression.ts'
import type { DataLayout } from './data-layout.ts'
import type { HelperName } from './helpers.ts'

/** One line for each index below `count`: registers have no loops, so loops over them are unrolled. */
export function unroll(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join('\n')
}

/** Text with every line moved right by `spaces`. */
export function indent(text: string, spaces: number): string {
  return text.replace(/^(?=.)/gm, ' '.repeat(spaces))
}

/** What a kernel needs to know of the mask and the score modifiers. */
export interface ScoreRules {
  /** WGSL functions `visible(...)` and `modified(score, ...)`, each where it applies, with helpers. */
  readonly code: string
  readonly hasMask: boolean
  readonly hasModifiers: boolean
}

/** Generates `visible` from the mask and `modified` from the chain of score modifiers. */
export function scoreRules(
  mask: Mask | undefined,
  modifiers: readonly ScoreModifier[],
  layout: DataLayout,
): ScoreRules {
  const helpers = new Set<HelperName>()
  const functions: string[] = []
  const add = (name: string, node: Mask['expression']['node'], takesScore: boolean): void => {
    const generated = expressionFunction(name, node, layout, takesScore)
    generated.helpers.forEach((helper) => helpers.add(helper))
    functions.push(generated.code)
  }
  if (mask) add('visible', mask.expression.node, false)
  modifiers.forEach((modifier, index) => add(`modifier${index}`, modifier.expression.node, true))
  if (modifiers.length > 0) functions.push(modifierChain(modifiers.length))
  const code = [helperText(helpers), ...functions].filter((part) => part !== '').join('\n\n')
  return { code, hasMask: mask !== undefined, hasModifiers: modifiers.length > 0 }
}

function modifierChain(count: number): string {
  const calls = unroll(
    count,
    (index) => `  result = modifier${index}(result, batch, head, query, queryIndex, key);`,
  )
  return `fn modified(score: f32, batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> f32 {
  var result = score;
${calls}
  return result;
}`
}
