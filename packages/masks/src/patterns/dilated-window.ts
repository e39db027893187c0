// A window with gaps: the reach of a wide one at the price of a narrow one. Longformer (arXiv
// 2004.05150, figure 2c); LongNet (arXiv 2307.02486) stacks several.
import { checkOptions } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/** A window whose keys stand `dilation` apart. */
export interface DilatedWindowOptions {
  /** Keys before the query, not tokens: the window reaches `left * dilation` tokens back. */
  readonly left: number
  /** Keys after the query. Default: 0 (causal). */
  readonly right?: number | undefined
  /** Distance between neighbouring keys; 1 is `slidingWindow`. */
  readonly dilation: number
}

const dilatedWindowOptions: OptionNames<DilatedWindowOptions> = {
  left: true,
  right: true,
  dilation: true,
}

/**
 * S_i = {j : (i - j) mod d = 0 and i - left d <= j <= i + right d}.
 *
 * @throws RangeError when a number is not whole, a side is negative or the dilation below 1.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { dilatedWindow } from '@attn/masks'
 * const { expression } = dilatedWindow({ left: 2, dilation: 3 })
 * const keys = [0, 1, 2, 3, 4, 5, 6, 7, 8]
 * keys.filter((key) => evaluate(expression, { query: 7, key })) // => [1, 4, 7]
 * ```
 */
export function dilatedWindow(options: DilatedWindowOptions): Pattern {
  checkOptions('dilatedWindow', options, dilatedWindowOptions)
  const { left, right = 0, dilation } = options
  checkInteger('dilatedWindow', 'left', left, 0)
  checkInteger('dilatedWindow', 'right', right, 0)
  checkInteger('dilatedWindow', 'dilation', dilation, 1)
  return pattern(
    'dilatedWindow',
    ({ query, key }) =>
      key
        .ge(query.sub(left * dilation))
        .and(key.le(query.add(right * dilation)))
        .and(query.sub(key).mod(dilation).eq(0)),
    dilation === 1 ? [] : [{ kind: 'residues', stride: dilation }],
  )
}
