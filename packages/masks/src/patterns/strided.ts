// Strided factorized attention: a window of the last l keys, then every l-th key before. For data
// with a period, such as images l pixels wide. Sparse Transformer (arXiv 1904.10509, section 4.3).
import { checkOptions, rangeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { factorization } from '../factorize/factorization.ts'
import type { Factorization } from '../factorize/factorization.ts'
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/** Choices of a strided factorization. */
export interface StridedOptions {
  /** p: heads that the attention is factorized into. Default: 2. */
  readonly heads?: number | undefined
}

const stridedOptions: OptionNames<StridedOptions> = { heads: true }

/**
 * For p = 2, with the `j <= i` that the paper asks of every set:
 *
 * - A_i(1) = {t .. i}, t = max(0, i - l): the previous l keys *and* the query itself, l + 1 in all;
 * - A_i(2) = {j <= i : (i - j) mod l = 0}.
 *
 * For p heads the distance i - j is read as a number in base l, and head m moves by its m-th digit:
 * A_i(m) = {j <= i : (i - j) mod l^(m-1) = 0, and i - j <= l^m unless m = p}.
 *
 * Every head sees the query itself, so no row is empty, and the heads are valid in any order.
 * OpenAI's code has l keys in the window, not l + 1.
 *
 * In natural order A(2) leaves no tile of l x l tokens empty, so it would save arithmetic and no time.
 * The pattern proposes to take tokens in the order of `i mod l`, under which it is made of whole tiles.
 *
 * @param stride - l, near the p-th root of the sequence length: see {@link balancedStride}.
 * @throws RangeError when the stride or p is not a whole number of at least 1, or l^p overflows 32 bits.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { strided } from '@attn/masks'
 * const { expression } = strided(3).merged()
 * const keys = Array.from({ length: 12 }, (_, key) => key)
 * keys.filter((key) => evaluate(expression, { query: 10, key })) // => [1, 4, 7, 8, 9, 10]
 * ```
 */
export function strided(stride: number, options: StridedOptions = {}): Factorization {
  checkOptions('strided', options, stridedOptions)
  const { heads = 2 } = options
  checkInteger('strided', 'stride', stride, 1)
  checkInteger('strided', 'heads', heads, 1)
  if (stride ** heads >= 2 ** 31) {
    throw rangeError(`strided: stride ** heads must fit 32 bits, got ${stride} ** ${heads}`)
  }
  const head = (index: number): Pattern => {
    const step = stride ** index
    const name = index === 0 ? 'window' : index === 1 && heads === 2 ? 'strided' : `strided${step}`
    return pattern(
      name,
      ({ query, key }) => {
        let visible = key.le(query)
        if (index < heads - 1) visible = visible.and(key.ge(query.sub(step * stride)))
        return step === 1 ? visible : visible.and(query.sub(key).mod(step).eq(0))
      },
      step === 1 ? [] : [{ kind: 'residues', stride: step }],
    )
  }
  return factorization(
    'strided',
    Array.from({ length: heads }, (_, index) => head(index)),
  )
}
