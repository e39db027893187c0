// FlashAttention: exact attention tile by tile, in one pass, without S or P in memory (arXiv
// 2205.14135, algorithm 1; 2307.08691, algorithm 1). Here is what a tile is and what is computed with
// it; in which order tiles come and go is in schedule.ts.
import { checkTensors } from '../tensor/check-tensor.ts'
import { cast } from '../tensor/layout.ts'
import { zeros } from '../tensor/tensor.ts'
import type { Tensor } from '../tensor/tensor.ts'
import {
  absorbTile,
  createSoftmax,
  normalizeRows,
  resetSoftmax,
  rowLogSumExp,
  unnormalizeRows,
} from './online-softmax.ts'
import { checkAttentionOptions } from './option-names.ts'
import type { OwnNames } from './option-names.ts'
import { checkParameters } from './check-parameters.ts'
import { attentionShape, resolveOptions } from './options.ts'
import type { AttentionOptions } from './options.ts'
import { pairRules } from './pair-rules.ts'
import { logSumExpType, wantsRowMaximum } from './result.ts'
import type { AttentionResult, ResultRequest } from './result.ts'
import { checkLoopOrder, forwardSchedule } from './schedule.ts'
import type { ForwardChip, LoopOrder } from './schedule.ts'
import { computeScores, computeWeights } from './score-tile.ts'
import { asColumn, tileBuffer } from './tile.ts'
import { resolveTiling, tilingOptions } from './tiling.ts'
import type { TileRegion, TilingOptions } from './tiling.ts'

/** The running softmax of a tile of queries after it took in a tile of keys: what is on the chip then. */
export interface SoftmaxStep {
  readonly batch: number
  readonly head: number
  readonly queryBlock: number
  readonly keyBlock: number
  /** Largest score so far of each row of the tile; -Infinity where nothing was visible yet. */
  readonly maximum: Float64Array
  /** Sum of exp(score - maximum) so far of each row. */
  readonly sum: Float64Array
  /** Sum of exp(score - maximum) times value so far, `[rows, Dv]`: the output is this over `sum`. */
  readonly weighted: Float64Array
}

/** Options of {@link flashAttention}: none of the additional ones changes the result. */
export interface FlashAttentionOptions extends AttentionOptions, TilingOptions, ResultRequest {
  /**
   * `queries-outside` as in FlashAttention-2, `keys-outside` as in FlashAttention.
   * Default: `queries-outside`.
   */
  readonly loopOrder?: LoopOrder | undefined
  /** Called after every tile with the running softmax, in arrays of its own that may be kept. */
  readonly observe?: ((step: SoftmaxStep) => void) | undefined
}

const flashOptions: OwnNames<FlashAttentionOptions> = {
  ...tilingOptions,
  loopOrder: true,
  rowMaximum: true,
  observe: true,
}

/**
 * Exact attention tile by tile with the online softmax: S and P are never in memory. The same result as `standardAttention` up to the rounding of float64 sums, and the same
 * treatment of hidden pairs, empty rows, NaN and infinities.
 *
 * Without a block map every pair is asked for; with one, absent tiles are neither loaded nor
 * computed.
 *
 * @param query - `[B, H, L, D]`, any strides.
 * @param key - `[B, Hkv, S, D]`; Hkv divides H.
 * @param value - `[B, Hkv, S, Dv]`.
 * @param options - See {@link FlashAttentionOptions}.
 * @returns Output `[B, H, L, Dv]` in the dtype of `query` and logSumExp `[B, H, L]`.
 * @throws RangeError for shapes and values that do not fit, the block map's too; TypeError for
 *   options of the wrong kind.
 *
 * @example
 * ```ts
 * import { flashAttention, mask, tensorFrom } from '@attn/core'
 * const causal = mask('causal', ({ query, key }) => key.le(query))
 * const zero = tensorFrom([0, 0, 0], [1, 1, 3, 1])
 * const value = tensorFrom([3, 5, 10], [1, 1, 3, 1])
 * const { output } = flashAttention(zero, zero, value, { mask: causal, keyBlockSize: 2 })
 * Array.from(output.storage) // => [3, 4, 6]
 * ```
 */
export function flashAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: FlashAttentionOptions = {},
): AttentionResult {
  checkAttentionOptions('flashAttention', options, flashOptions)
  checkTensors('flashAttention', { query, key, value })
  const shape = attentionShape('flashAttention', query, key, value)
  const resolved = resolveOptions('flashAttention', shape, options)
  checkParameters('flashAttention', resolved)
  const tiling = resolveTiling('flashAttention', shape, resolved, options)
  const { loopOrder = 'queries-outside' } = options
  checkLoopOrder('flashAttention', loopOrder)
  const wantsMaximum = wantsRowMaximum('flashAttention', options)
  const { batch, heads, kvHeads, queryLength, headDim, valueDim } = shape
  const { queryBlockSize, keyBlockSize } = tiling
  const rules = pairRules(shape, resolved)

  // In memory. Partial outputs go back and forth in keys-outside, so they stay float64 to the end.
  const rows = [batch, heads, queryLength]
  const output = zeros([...rows, valueDim], 'float64')
  const logSumExp = zeros(rows, 'float64')
  const sinkOf = (head: number): number => resolved.sinks?.[head] ?? -Infinity
  const rowMaximum = perHead(rows, sinkOf)
  const rowSum = perHead(rows, (head) => (sinkOf(head) === -Infinity ? 0 : 1))

  // Apart from the softmax's own maximum, in which sinks take part.
  const largest = wantsMaximum ? perHead(rows, () => -Infinity) : undefined

  // On the chip: one tile of each.
  const softmax = createSoftmax(queryBlockSize, valueDim)
  const scores = new Float64Array(queryBlockSize * keyBlockSize)
  const weights = resolved.dropout && new Float64Array(queryBlockSize * keyBlockSize)
  const { trace, observe } = options
  const ofQueries = { blockSize: queryBlockSize, trace }
  const ofKeys = {
    blockSize: keyBlockSize,
    length: (b: number) => resolved.keyLengths[b]!,
    headOf: (head: number) => Math.floor((head * kvHeads) / heads),
    trace,
  }
  const { weighted, maximum, sum } = softmax
  const keys = tileBuffer('key', key, ofKeys)
  const values = tileBuffer('value', value, ofKeys)
  const queries = tileBuffer('query', query, ofQueries)
  const lastly = tileBuffer('logSumExp', asColumn(logSumExp), ofQueries)
  const chip: ForwardChip = {
    query: queries,
    key: keys,
    value: values,
    output: tileBuffer('output', output, { ...ofQueries, values: weighted }),
    rowMaximum: tileBuffer('rowMaximum', asColumn(rowMaximum), { ...ofQueries, values: maximum }),
    rowSum: tileBuffer('rowSum', asColumn(rowSum), { ...ofQueries, values: sum }),
    logSumExp: lastly,
    start: (head) => resetSoftmax(softmax, sinkOf(head)),
    absorb: (b, h, i, j, full) => {
      const region = tiling.region(b, h, i, j, full)
      const { scale } = resolved
      computeScores(scores, queries.values, keys.values, region, headDim, scale, rules)
      if (largest) raiseMaxima(largest, scores, region, (b * heads + h) * queryLength)
      if (weights) computeWeights(weights, region, rules)
      absorbTile(softmax, scores, weights, values.values, region, valueDim)
      const { rows } = region
      observe?.({
        batch: b,
        head: h,
        queryBlock: i,
        keyBlock: j,
        maximum: maximum.slice(0, rows),
        sum: sum.slice(0, rows),
        weighted: weighted.slice(0, rows * valueDim),
      })
    },
    normalize: () => normalizeRows(softmax),
    unnormalize: () => unnormalizeRows(softmax),
    finish: () => rowLogSumExp(softmax, lastly.values),
  }
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      forwardSchedule(loopOrder, tiling, chip, b, h)
    }
  }
  return {
    output: cast(output, query.dtype),
    logSumExp: cast(logSumExp, logSumExpType(query, key, value)),
    ...(largest ? { rowMaximum: cast(largest, logSumExpType(query, key, value)) } : {}),
  }
}

/** Raises the maxima of a tile's rows to its scores. */
function raiseMaxima(
  { storage }: Tensor,
  scores: Float64Array,
  { queryStart, rows, columns }: TileRegion,
  firstRow: number,
): void {
  for (let r = 0; r < rows; r++) {
    const row = firstRow + queryStart + r
    for (let c = 0; c < columns; c++)
      storage[row] = Math.max(storage[row]!, scores[r * columns + c]!)
  }
}

/** A tensor `[B, H, L]` with one value for each head. */
function perHead(shape: readonly number[], valueOf: (head: number) => number): Tensor {
  const result = zeros(shape, 'float64')
  const [, heads, queryLength] = shape as [number, number, number]
  for (let row = 0; row < result.storage.length; row++) {
    result.storage[row] = valueOf(Math.floor(row / queryLength) % heads)
  }
  return result
}
