// Local attention: a band around the diagonal. Longformer (arXiv 2004.05150, section 3.1), Mistral
// (arXiv 2310.06825).
import { boolean } from '@attn/core'
import type { BooleanExpression } from '@attn/core'
import { checkInteger } from '../check.ts'
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/**
 * S_i = {j : i - left <= j <= i + right}, which is `left + 1 + right` keys: both ends count.
 *
 * Others count differently. For the same band: FlashAttention and JAX `(left, right)`;
 * attention-gym `sliding_window(left)`, which is causal; Hugging Face's and Mistral's
 * `sliding_window = left + 1`, self included; OpenAI's `local_attn_ctx = left + 1`.
 *
 * @param left - Keys before the query, at least 0; Infinity for all.
 * @param right - Keys after the query. Default: 0 (causal); Infinity for all.
 * @throws RangeError when a side is neither a whole number nor Infinity.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { slidingWindow } from '@attn/masks'
 * const { expression } = slidingWindow(2)
 * const keys = [0, 1, 2, 3, 4, 5]
 * keys.filter((key) => evaluate(expression, { query: 4, key })) // => [2, 3, 4]
 * ```
 */
export function slidingWindow(left: number, right = 0): Pattern {
  if (left !== Infinity) checkInteger('slidingWindow', 'left', left, 0)
  if (right !== Infinity) checkInteger('slidingWindow', 'right', right, 0)
  return pattern('slidingWindow', ({ query, key }) => {
    const bounds: BooleanExpression[] = []
    if (left !== Infinity) bounds.push(key.ge(query.sub(left)))
    if (right !== Infinity) bounds.push(key.le(right === 0 ? query : query.add(right)))
    return bounds.reduce((all, bound) => all.and(bound), bounds.shift() ?? boolean(true))
  })
}
