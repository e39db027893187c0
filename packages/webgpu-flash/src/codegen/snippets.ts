// Small pieces that several kernels are composed of: unrolled statements over the registers a
// thread owns, and the functions through which a kernel asks for masks and score changes.
import type { Mask, ScoreModifier, SequenceCoordinates } from '@attn/core'
import { expressionFunction, helperText } from './expression.ts'
import type { DataLayout } from './data-layout.ts'
import type { HelperName } from './helpers.ts'
import { scoreChange } from './score-change.ts'
import { sequenceCounters } from './sequence-counters.ts'
import type { ScoreChange } from './score-change.ts'
import { shownKeysFunctions } from './shown-keys.ts'

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
  /** WGSL functions `visible(...)` and those that `change` calls, each where it applies, with helpers. */
  readonly code: string
  readonly hasMask: boolean
  /** Functions that say which keys a row sees, where they are all those between two; see shown-keys.ts. */
  readonly shownKeys?: string | undefined
  /** How scores are changed, where there are modifiers. */
  readonly change: ScoreChange | undefined
  /** Whether dropout counts pairs by `countedWithin`, since sequences are packed. */
  readonly countsWithin: boolean
  /** Functions `(score, batch, head, query, queryIndex, key)` that change scores instead of `change`. */
  readonly pairwise?: readonly string[]
}

/**
 * Generates `visible` from the mask, and what changes scores from the chain of modifiers.
 *
 * @param within - What dropout counts where sequences are packed.
 */
export function scoreRules(
  mask: Mask | undefined,
  modifiers: readonly ScoreModifier[],
  layout: DataLayout,
  within?: SequenceCoordinates,
): ScoreRules {
  const helpers = new Set<HelperName>()
  const functions: string[] = []
  if (mask) {
    const visible = expressionFunction('visible', mask.expression.node, layout, false)
    visible.helpers.forEach((helper) => helpers.add(helper))
    functions.push(visible.code)
  }
  const change = modifiers.length > 0 ? scoreChange(modifiers, layout, helpers) : undefined
  if (change) functions.push(change.code)
  if (within) functions.push(sequenceCounters(within, layout, helpers))
  const code = [helperText(helpers), ...functions].filter((part) => part !== '').join('\n\n')
  return {
    code,
    hasMask: mask !== undefined,
    shownKeys: mask && shownKeysFunctions(mask.expression.node, layout),
    change,
    countsWithin: within !== undefined,
  }
}

/** The same for tiles whose tokens are no neighbours: what changes scores is asked for every pair. */
export function pairwiseRules(
  mask: Mask | undefined,
  modifiers: readonly ScoreModifier[],
  layout: DataLayout,
): ScoreRules {
  const functions = [
    ...(mask ? [expressionFunction('visible', mask.expression.node, layout, false)] : []),
    ...modifiers.map(({ expression }, index) =>
      expressionFunction(`modified${index}`, expression.node, layout, true),
    ),
  ]
  const helpers = new Set(functions.flatMap((one) => [...one.helpers]))
  const code = [helperText(helpers), ...functions.map((one) => one.code)]
  return {
    code: code.filter((part) => part !== '').join('\n\n'),
    hasMask: mask !== undefined,
    change: undefined,
    countsWithin: false,
    pairwise: modifiers.map((_, index) => `modified${index}`),
  }
}

/** A name as a part of another: `dQuery` becomes `DQuery`, as in `loadDQuery`. */
export const capitalized = (name: string): string => `${name[0]!.toUpperCase()}${name.slice(1)}`
