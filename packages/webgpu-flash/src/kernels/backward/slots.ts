// What a pass of several has to do with tokens and rows. Rows of tiles count slots: tokens themselves in natural order, or
// places in an order of its own (see codegen/ordered-pairs.ts). Here kernels find the tokens of slots, where they read, write, and drop pairs.
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import { orderedDropout } from '../../codegen/ordered-pairs.ts'
import { dropoutFunctions } from '../tile/dropout.ts'

/** What a kernel's pass is among those that write the same gradients. */
export interface PassConfig {
  /** Whether it adds to what an earlier one wrote. */
  readonly continues: boolean
  /** Whether what earlier ones wrote are float32 totals, to be read, while the gradients themselves are written here. */
  readonly finishes: boolean
}

/** What a kernel's slots are. */
export interface SlotConfig {
  readonly rules: Pick<GradientRules, 'ordered'>
  /** Whether several workgroups share a row, each with a copy of the gradient. */
  readonly inParts: boolean
}

/** Text of the token in a slot: the slot itself in natural order. */
export function tokenText(
  { ordered }: Pick<GradientRules, 'ordered'>,
  tokens: 'queries' | 'keys',
  slot: string,
): string {
  return ordered ? `${tokens === 'keys' ? 'key' : 'query'}Token(${slot})` : slot
}

/** WGSL of dropout, for tokens in any order. */
export function gradientDropout({ countsWithin, ordered }: GradientRules): string {
  if (!ordered) return dropoutFunctions(countsWithin)
  return `${dropoutFunctions(countsWithin, 'dropoutWeightsOfTokens')}\n\n${orderedDropout}`
}

/**
 * Text of the row of a gradient that belongs to a slot: its token, or in a copy of a part the slot itself.
 */
export function gradientRow(
  { rules, inParts }: SlotConfig,
  tokens: 'queries' | 'keys',
  slot: string,
): string {
  return inParts ? slot : tokenText(rules, tokens, slot)
}
