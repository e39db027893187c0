// Fixed factorized attention: within blocks of l keys, and to the last c keys of every block, which
// sum it up. For data without a period, such as text. Sparse Transformer (arXiv 1904.10509, 4.3).
import { checkOptions, rangeError } from '@attn/core'
import type { BooleanExpression, IntegerExpression, OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { factorization } from '../factorize/factorization.ts'
import type { Factorization } from '../factorize/factorization.ts'
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/** Choices of a fixed factorization. */
export interface FixedOptions {
  /** c: summary keys of a block; the paper takes 8, 16 or 32 for strides of 128 and 256. Default: 1. */
  readonly summary?: number | undefined
  /** p: heads that the attention is factorized into. Default: 2. */
  readonly heads?: number | undefined
  /**
   * Query head h reads the (h mod subBlocks)-th run of c keys, counted from the end of the block:
   * keys l - c (s + 1) .. l - c s - 1 for s = h mod subBlocks. The paper prefers distinct runs to a
   * common one. Default: 1, the same for all.
   */
  readonly subBlocks?: number | undefined
}

const fixedOptions: OptionNames<FixedOptions> = { summary: true, heads: true, subBlocks: true }

/**
 * For p = 2, with the `j <= i` that the paper asks of every set:
 *
 * - A_i(1) = {j <= i : floor(j / l) = floor(i / l)};
 * - A_i(2) = {j <= i : j mod l in {l - c, .., l - 1}}. The paper writes {t, .., l} with t = l - c; as
 *   j mod l < l, these are c keys a block.
 *
 * For p heads, blocks of blocks: A_i(m) = {j <= i : floor(j / l^m) = floor(i / l^m) unless m = p, and
 * j mod l^(m-1) is one of the last c unless m = 1}.
 *
 * Two things to know. A_i(2) is *empty* for the first l - c queries: attention gives such rows output
 * 0 and logSumExp -Infinity. And taken literally the heads are *not* valid: a query before the summary
 * keys of its own block does not reach the earlier keys of that block in two steps. They are valid,
 * in this order only, when a step may also keep the own position, as residual connections do; with
 * `subBlocks` the heads are so only together.
 *
 * @param stride - l, near the p-th root of the sequence length: see {@link balancedStride}.
 * @throws RangeError when a number is not whole or below 1, c subBlocks exceeds l, or l^p overflows 32
 *   bits.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { fixed } from '@attn/masks'
 * const { expression } = fixed(4, { summary: 1 }).merged()
 * const keys = Array.from({ length: 12 }, (_, key) => key)
 * keys.filter((key) => evaluate(expression, { query: 9, key })) // => [3, 7, 8, 9]
 * fixed(4).isValid(16) // => false
 * fixed(4).isValid(16, { keepOwn: true }) // => true
 * ```
 */
export function fixed(stride: number, options: FixedOptions = {}): Factorization {
  checkOptions('fixed', options, fixedOptions)
  const { summary = 1, heads = 2, subBlocks = 1 } = options
  for (const [name, value] of Object.entries({ stride, summary, heads, subBlocks })) {
    checkInteger('fixed', name, value, 1)
  }
  if (summary * subBlocks > stride) {
    throw rangeError(
      `fixed: summary * subBlocks must not exceed the stride ${stride}, got ${summary} * ${subBlocks}`,
    )
  }
  if (stride ** heads >= 2 ** 31) {
    throw rangeError(`fixed: stride ** heads must fit 32 bits, got ${stride} ** ${heads}`)
  }
  const isSummary = (
    key: IntegerExpression,
    head: IntegerExpression,
    block: number,
  ): BooleanExpression => {
    const place = key.mod(block)
    if (subBlocks === 1) return place.ge(block - summary)
    const first = head.mod(subBlocks).neg().sub(1).mul(summary).add(block)
    return place.ge(first).and(place.lt(first.add(summary)))
  }
  const head = (index: number): Pattern => {
    const inner = stride ** index
    const outer = inner * stride
    const name = index === 0 ? 'block' : index === 1 && heads === 2 ? 'summary' : `summary${inner}`
    const count = summary * subBlocks
    return pattern(
      name,
      ({ query, key, head }) => {
        let visible = key.le(query)
        if (index > 0) visible = visible.and(isSummary(key, head, inner))
        if (index < heads - 1) visible = visible.and(key.floorDiv(outer).eq(query.floorDiv(outer)))
        return visible
      },
      index === 0 ? [] : [{ kind: 'periodicKeys', period: inner, first: inner - count, count }],
    )
  }
  return factorization(
    'fixed',
    Array.from({ length: heads }, (_, index) => head(index)),
  )
}
