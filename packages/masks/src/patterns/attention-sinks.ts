// A sliding window that never forgets the first tokens, on which trained models park the weight they
// have no use for. StreamingLLM, "Efficient Streaming Language Models with Attention Sinks" (arXiv
// 2309.17453).
import { checkOptions, mask } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { patternOf } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/** Which keys stay in reach. */
export interface AttentionSinksOptions {
  /** First tokens that stay visible (the paper's `start_size`). Default: 4. */
  readonly sinks?: number | undefined
  /** Last tokens that stay visible, the query itself counted (`recent_size`). */
  readonly recent: number
}

const attentionSinksOptions: OptionNames<AttentionSinksOptions> = { sinks: true, recent: true }

/**
 * S_i = {j <= i : j < sinks or i - j < recent}.
 *
 * The paper also numbers positions by their place in the cache; that is the position method's
 * concern, not the mask's.
 *
 * @throws RangeError when `sinks` is not a whole number, or `recent` is below 1.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { attentionSinks } from '@attn/masks'
 * const { expression } = attentionSinks({ sinks: 1, recent: 3 })
 * const keys = [0, 1, 2, 3, 4, 5, 6, 7]
 * keys.filter((key) => evaluate(expression, { query: 6, key })) // => [0, 4, 5, 6]
 * ```
 */
export function attentionSinks(options: AttentionSinksOptions): Pattern {
  checkOptions('attentionSinks', options, attentionSinksOptions)
  const { sinks = 4, recent } = options
  checkInteger('attentionSinks', 'sinks', sinks, 0)
  checkInteger('attentionSinks', 'recent', recent, 1)
  return patternOf('attentionSinks', [
    mask('recent', ({ query, key }) => key.le(query).and(key.gt(query.sub(recent)))),
    mask('sinks', ({ query, key }) => key.le(query).and(key.lt(sinks))),
  ])
}
