// Which attention weights are asked for, and what is made of them: the same words on every backend.
import { rangeError, typeError } from '../errors.ts'
import type { AttentionShape } from './options.ts'

/** What is made of weights while they are computed. */
export type WeightsReduction = 'none' | 'sum over queries' | 'maximum' | 'mean over heads'

/** A choice of weights. */
export interface WeightsSelection {
  /** Rows of the query tensor, from and up to but without. Default: all. */
  readonly queries?: readonly [start: number, end: number] | undefined
  /** Query heads, in the order the result is to have them in. Default: all. */
  readonly heads?: readonly number[] | undefined
  /**
   * `none`: all of them. `sum over queries`: what each key got (H2O, SnapKV). `maximum`: the most that
   * a query gave to each key. `mean over heads`: one picture of a layer. Default: none.
   */
  readonly reduce?: WeightsReduction | undefined
}

/** A choice with its defaults filled in. */
export interface ResolvedWeights {
  readonly queries: { readonly start: number; readonly end: number }
  readonly heads: readonly number[]
  readonly reduce: WeightsReduction
  /** Of the result, for `h` heads and `l` queries: `[B, h, l, S]`, `[B, h, S]` or `[B, l, S]`. */
  readonly shape: readonly number[]
}

const reductions: readonly WeightsReduction[] = [
  'none',
  'sum over queries',
  'maximum',
  'mean over heads',
]

/**
 * Fills in the defaults of a choice of weights and checks it against the sizes.
 *
 * @throws RangeError for rows and heads that are not there, TypeError for an unknown reduction.
 *
 * @example
 * ```ts
 * import { resolveWeights } from '@attn/core'
 * const shape = { batch: 1, heads: 8, kvHeads: 2, queryLength: 3, keyLength: 9, headDim: 4, valueDim: 4 }
 * resolveWeights('weights', shape, { heads: [2, 5] }).shape // => [1, 2, 3, 9]
 * resolveWeights('weights', shape, { heads: [8] }) // => throws RangeError: weights: heads must be a list of query heads in 0..7, got [8]
 * ```
 */
export function resolveWeights(
  caller: string,
  { batch, heads: allHeads, queryLength, keyLength }: AttentionShape,
  { queries = [0, queryLength], heads, reduce = 'none' }: WeightsSelection,
): ResolvedWeights {
  const [start, end] = Array.isArray(queries) ? (queries as readonly number[]) : []
  const whole = Number.isInteger(start) && Number.isInteger(end) && queries.length === 2
  if (!whole || start! < 0 || end! > queryLength || start! >= end!) {
    const got = Array.isArray(queries) ? `[${queries.join(', ')}]` : String(queries)
    throw rangeError(
      `${caller}: queries must be [start, end] with 0 <= start < end <= ${queryLength}, got ${got}`,
    )
  }
  const chosen = heads ?? Array.from({ length: allHeads }, (_, head) => head)
  const exists = (head: number): boolean => Number.isInteger(head) && head >= 0 && head < allHeads
  if (!Array.isArray(chosen) || chosen.length === 0 || !chosen.every(exists)) {
    const got = Array.isArray(chosen) ? `[${chosen.join(', ')}]` : String(chosen)
    throw rangeError(
      `${caller}: heads must be a list of query heads in 0..${allHeads - 1}, got ${got}`,
    )
  }
  if (!reductions.includes(reduce)) {
    throw typeError(
      `${caller}: reduce must be ${reductions.slice(0, -1).join(', ')} or ${reductions.at(-1)}, got ${reduce as string}`,
    )
  }
  const rows = end! - start!
  const shape =
    reduce === 'none'
      ? [batch, chosen.length, rows, keyLength]
      : reduce === 'mean over heads'
        ? [batch, rows, keyLength]
        : [batch, chosen.length, keyLength]
  return { queries: { start: start!, end: end! }, heads: [...chosen], reduce, shape }
}
