// Orders that a mask proposes for its tokens, as data: which lengths and tiles they are for is known
// only to a planner.

/**
 * - `residues`: queries and keys by their position mod `stride`, the classes one after the other, for
 *   masks of keys at multiples of a stride.
 * - `periodicKeys`: only the keys at places `first .. first + count - 1` of every `period` keys, for
 *   masks that see summaries.
 */
export type OrderProposal =
  | { readonly kind: 'residues'; readonly stride: number }
  | {
      readonly kind: 'periodicKeys'
      readonly period: number
      readonly first: number
      readonly count: number
    }

/**
 * Proposals of several masks together, each once.
 *
 * @example
 * ```ts
 * import { joinProposals } from '@attn/core'
 * const residues = { kind: 'residues', stride: 64 } as const
 * joinProposals([residues], undefined, [residues]).length // => 1
 * ```
 */
export function joinProposals(
  ...lists: readonly (readonly OrderProposal[] | undefined)[]
): readonly OrderProposal[] {
  const distinct = new Map<string, OrderProposal>()
  for (const list of lists) {
    for (const proposal of list ?? []) distinct.set(JSON.stringify(proposal), proposal)
  }
  return [...distinct.values()]
}
