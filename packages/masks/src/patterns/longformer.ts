// A window, possibly dilated, and a few global tokens. "Longformer: The Long-Document Transformer"
// (arXiv 2004.05150, figure 2d).
import { checkOptions, mask, rangeError } from '@attn/core'
import type { IntegerList, OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { or } from '../combine/logic.ts'
import { perHead } from '../combine/per-head.ts'
import type { Pattern } from '../pattern.ts'
import { dilatedWindow } from './dilated-window.ts'
import { globalTokens } from './global-tokens.ts'

/** Longformer's choices. */
export interface LongformerOptions {
  /** w: half of it on each side, so w + 1 keys with the query itself. Even. */
  readonly window: number
  /**
   * Distance between the window's keys, one number or one for each head in turn (the paper dilates
   * two heads of the upper layers). Default: 1.
   */
  readonly dilation?: number | readonly number[] | undefined
  /** Positions that see all and are seen by all, such as the question's. Default: [0]. */
  readonly globalTokens?: IntegerList | undefined
}

const longformerOptions: OptionNames<LongformerOptions> = {
  window: true,
  dilation: true,
  globalTokens: true,
}

/**
 * S_i = {j : |i - j| <= d w / 2 and (i - j) mod d = 0} and the pairs in which i or j is global.
 *
 * The paper gives global tokens projections of their own; that is for the model to do, the set of
 * pairs is this one.
 *
 * @throws RangeError when the window is odd or a number is not whole.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { longformer } from '@attn/masks'
 * const { expression } = longformer({ window: 2 })
 * const keys = [0, 1, 2, 3, 4, 5, 6, 7]
 * keys.filter((key) => evaluate(expression, { head: 0, query: 5, key })) // => [0, 4, 5, 6]
 * ```
 */
export function longformer(options: LongformerOptions): Pattern {
  checkOptions('longformer', options, longformerOptions)
  const { window, dilation = 1, globalTokens: tokens = [0] } = options
  checkInteger('longformer', 'window', window, 0)
  if (window % 2 !== 0) throw rangeError(`longformer: window must be even, got ${window}`)
  const side = window / 2
  const windows = (typeof dilation === 'number' ? [dilation] : dilation).map((distance) =>
    dilatedWindow({ left: side, right: side, dilation: distance }),
  )
  const local = mask('window', () => perHead(windows).expression)
  const whole = tokens.length === 0 ? or(local) : or(local, globalTokens(tokens))
  return Object.freeze({ ...whole, name: 'longformer' })
}
