// Tokens that every query sees and that see every key: ETC (arXiv 2004.08483), Longformer (arXiv
// 2004.05150), BigBird (arXiv 2007.14062). Two of them connect any two tokens in two steps.
import { checkOptions, mask, numbersOf, rangeError } from '@attn/core'
import type { IntegerList, Mask, OptionNames } from '@attn/core'
import { checkInteger, checkIntegers } from '../check.ts'
import { patternOf } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'
import { isOneOf } from '../sets.ts'

/** Which way the attention of global tokens goes. */
export interface GlobalTokensOptions {
  /** Every query sees the global tokens (columns of the matrix). Default: true. */
  readonly asKeys?: boolean | undefined
  /** The global tokens see every key (rows of the matrix). Default: true. */
  readonly asQueries?: boolean | undefined
}

const globalTokensOptions: OptionNames<GlobalTokensOptions> = { asKeys: true, asQueries: true }

/**
 * {(i, j) : j in G or i in G}.
 *
 * @param tokens - G: positions, or how many tokens from the start.
 * @throws RangeError for no tokens, positions that are not whole or negative, or neither direction.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { globalTokens } from '@attn/masks'
 * const keys = [0, 1, 2, 3, 4, 5]
 * const { expression } = globalTokens([0, 4])
 * keys.filter((key) => evaluate(expression, { query: 3, key })) // => [0, 4]
 * keys.filter((key) => evaluate(expression, { query: 4, key })) // => [0, 1, 2, 3, 4, 5]
 * ```
 */
export function globalTokens(
  tokens: number | IntegerList,
  options: GlobalTokensOptions = {},
): Pattern {
  checkOptions('globalTokens', options, globalTokensOptions)
  const { asKeys = true, asQueries = true } = options
  const isGlobal = isOneOf('globalTokens', positionsOf(tokens))
  const parts: Mask[] = []
  if (asKeys) parts.push(mask('globalKeys', ({ key }) => isGlobal(key)))
  if (asQueries) parts.push(mask('globalQueries', ({ query }) => isGlobal(query)))
  if (parts.length === 0) {
    throw rangeError('globalTokens: need asKeys or asQueries, got neither')
  }
  return patternOf('globalTokens', parts)
}

function positionsOf(tokens: number | IntegerList): ArrayLike<number> {
  if (typeof tokens === 'number') {
    checkInteger('globalTokens', 'tokens', tokens, 1)
    return Array.from({ length: tokens }, (_, position) => position)
  }
  if (tokens.length === 0) throw rangeError('globalTokens: need at least one token, got none')
  const positions = numbersOf(tokens)
  checkIntegers('globalTokens', 'tokens', positions, 0)
  return positions
}
