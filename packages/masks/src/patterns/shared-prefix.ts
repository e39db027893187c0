// Many continuations of one prompt in one sequence, the prompt stored once: shared-prefix batches
// (Hydragen, arXiv 2402.05099) and preference pairs.
import { checkOptions, integerTable, mask, numbersOf, rangeError } from '@attn/core'
import type { IntegerList, OptionNames } from '@attn/core'
import { checkInteger, checkIntegers } from '../check.ts'
import { patternOf } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/** The sequence is the prefix followed by the branches. */
export interface SharedPrefixOptions {
  /** Tokens of the prefix. */
  readonly prefixLength: number
  /** Tokens of each branch, in order. */
  readonly lengths: IntegerList
}

const sharedPrefixOptions: OptionNames<SharedPrefixOptions> = { prefixLength: true, lengths: true }

/**
 * S_i = {j <= i : j < prefix or branch(j) = branch(i)}.
 *
 * Positions past the end belong with the last branch. A position method should count each branch
 * from the prefix's end.
 *
 * @throws RangeError when a length is not a whole number, or the branches hold no token.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { sharedPrefix } from '@attn/masks'
 * const { expression } = sharedPrefix({ prefixLength: 2, lengths: [2, 3] })
 * const keys = [0, 1, 2, 3, 4, 5, 6]
 * keys.filter((key) => evaluate(expression, { query: 5, key })) // => [0, 1, 4, 5]
 * ```
 */
export function sharedPrefix(options: SharedPrefixOptions): Pattern {
  checkOptions('sharedPrefix', options, sharedPrefixOptions)
  const { prefixLength } = options
  const lengths = numbersOf(options.lengths)
  checkInteger('sharedPrefix', 'prefixLength', prefixLength, 0)
  checkIntegers('sharedPrefix', 'lengths', lengths, 0)
  const sizes = Array.from(lengths)
  const total = sizes.reduce((sum, size) => sum + size, prefixLength)
  if (total === prefixLength) {
    throw rangeError('sharedPrefix: need at least one token after the prefix, got none')
  }
  // First position of the branch of each token. The prefix's is 0, and it sees only itself.
  const starts = new Int32Array(total)
  let end = prefixLength
  for (const size of sizes) starts.fill(end, end, (end += size))
  const branchStart = integerTable('branchStarts', starts)
  return patternOf('sharedPrefix', [
    mask('branch', ({ query, key }) => key.le(query).and(key.ge(branchStart.at(query)))),
    mask('prefix', ({ query, key }) => key.le(query).and(key.lt(prefixLength))),
  ])
}
