// Autoregressive attention: a token sees itself and what came before.
// "Attention Is All You Need", arXiv 1706.03762, section 3.2.3.
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/**
 * S_i = {j : j <= i}.
 *
 * Positions are absolute, so with fewer queries than keys the queries are the last rows
 * (bottom-right alignment) unless the call sets `queryOffset: 0`, which gives the top-left alignment
 * of `jax.nn.dot_product_attention` and PyTorch's `is_causal`.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { causal } from '@attn/masks'
 * evaluate(causal().expression, { query: 3, key: 3 }) // => 1
 * evaluate(causal().expression, { query: 3, key: 4 }) // => 0
 * ```
 */
export function causal(): Pattern {
  return pattern('causal', ({ query, key }) => key.le(query))
}
