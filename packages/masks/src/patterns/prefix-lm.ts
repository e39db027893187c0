// Prefix language model: a prompt read in both directions, an answer written from left to right.
// UniLM (arXiv 1905.03197), T5 (arXiv 1910.10683, figure 4).
import { coordinate, integer, integerTable, mask, numbersOf } from '@attn/core'
import type { IntegerExpression, IntegerList } from '@attn/core'
import { checkInteger, checkIntegers } from '../check.ts'
import { patternOf } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/**
 * S_i = {j : j < prefix or j <= i}.
 *
 * @param prefixLength - Tokens of the prefix: one number, a list with a number for each sequence of
 *   the batch, or an integer expression such as a parameter given with each call.
 * @throws RangeError when a length is not a whole number of at least 0.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { prefixLm } from '@attn/masks'
 * const keys = [0, 1, 2, 3, 4, 5]
 * keys.filter((key) => evaluate(prefixLm(3).expression, { query: 0, key })) // => [0, 1, 2]
 * ```
 */
export function prefixLm(prefixLength: number | IntegerList | IntegerExpression): Pattern {
  const length = lengthExpression(prefixLength)
  return patternOf('prefixLm', [
    mask('causal', ({ query, key }) => key.le(query)),
    mask('prefix', ({ key }) => key.lt(length)),
  ])
}

function lengthExpression(
  prefixLength: number | IntegerList | IntegerExpression,
): IntegerExpression {
  if (typeof prefixLength === 'number') {
    checkInteger('prefixLm', 'prefixLength', prefixLength, 0)
    return integer(prefixLength)
  }
  if ('node' in prefixLength) return integer(prefixLength)
  const lengths = numbersOf(prefixLength)
  checkIntegers('prefixLm', 'prefixLength', lengths, 0)
  return integerTable('prefixLengths', lengths).at(coordinate('batch'))
}
