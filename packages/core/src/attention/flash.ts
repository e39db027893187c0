// FlashAttention: exact attention tile by tile, in one pass, without S or P in memory. Two loop
// orders: FlashAttention-2 (arXiv 2307.08691, algorithm 1) keeps a tile of queries and streams the
// keys; FlashAttention (arXiv 2205.14135, algorithm 1) keeps a tile of keys and streams the queries,
// so it must load and store the partial outputs each time.
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
import type { OnlineSoftmax } from './online-softmax.ts'
import { attentionShape, checkParameters, resolveOptions } from './options.ts'
import type { AttentionOptions } from './options.ts'
import { pairRules } from './pair-rules.ts'
import { logSumExpType } from './result.ts'
import type { AttentionResult } from './result.ts'
import { computeScores, computeWeights } from './score-tile.ts'
import { asColumn, tileBuffer } from './tile.ts'
import type { TileBuffer } from './tile.ts'
import { resolveTiling } from './tiling.ts'
import type { Tiling, TilingOptions } from './tiling.ts'

/** Which loop is outside. */
export type LoopOrder = 'queries-outside' | 'keys-outside'

/** Options of {@link flashAttention}: none of the additional ones changes the result. */
export interface FlashAttentionOptions extends AttentionOptions, TilingOptions {
  /**
   * `queries-outside` as in FlashAttention-2, `keys-outside` as in FlashAttention.
   * Default: `queries-outside`.
   */
  readonly loopOrder?: LoopOrder
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
  const shape = attentionShape('flashAttention', query, key, value)
  const resolved = resolveOptions('flashAttention', shape, options)
  checkParameters('flashAttention', resolved)
  const tiling = resolveTiling('flashAttention', shape, resolved, options)
  const { loopOrder = 'queries-outside' } = options
  if (loopOrder !== 'queries-outside' && loopOrder !== 'keys-outside') {
    throw new RangeError(
      `flashAttention: loopOrder must be queries-outside or keys-outside, got ${String(loopOrder)}`,
    )
  }
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

  // On the chip: one tile of each.
  const softmax = createSoftmax(queryBlockSize, valueDim)
  const scores = new Float64Array(queryBlockSize * keyBlockSize)
  const weights = resolved.dropout && new Float64Array(queryBlockSize * keyBlockSize)
  const { trace } = options
  const ofQueries = { blockSize: queryBlockSize, trace }
  const ofKeys = {
    blockSize: keyBlockSize,
    length: (b: number) => resolved.keyLengths[b]!,
    headOf: (head: number) => Math.floor((head * kvHeads) / heads),
    trace,
  }
  const { weighted, maximum, sum } = softmax
  const chip: Chip = {
    tiling,
    softmax,
    start: (head) => resetSoftmax(softmax, sinkOf(head)),
    query: tileBuffer('query', query, ofQueries),
    key: tileBuffer('key', key, ofKeys),
    value: tileBuffer('value', value, ofKeys),
    output: tileBuffer('output', output, { ...ofQueries, values: weighted }),
    rowMaximum: tileBuffer('rowMaximum', asColumn(rowMaximum), { ...ofQueries, values: maximum }),
    rowSum: tileBuffer('rowSum', asColumn(rowSum), { ...ofQueries, values: sum }),
    logSumExp: tileBuffer('logSumExp', asColumn(logSumExp), ofQueries),
    absorb: (b, h, i, j, full) => {
      const region = tiling.region(b, h, i, j, full)
      computeScores(
        scores,
        chip.query.values,
        chip.key.values,
        region,
        headDim,
        resolved.scale,
        rules,
      )
      if (weights) computeWeights(weights, region, rules)
      absorbTile(softmax, scores, weights, chip.value.values, region, valueDim)
    },
  }
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      if (loopOrder === 'queries-outside') queriesOutside(chip, b, h)
      else keysOutside(chip, b, h)
    }
  }
  return {
    output: cast(output, query.dtype),
    logSumExp: cast(logSumExp, logSumExpType(query, key, value)),
  }
}

/** The tiles that are on the chip at one time, and what computes with them. */
interface Chip {
  readonly tiling: Tiling
  /** The running softmax of the current query tile: output, rowMaximum and rowSum below. */
  readonly softmax: OnlineSoftmax
  readonly query: TileBuffer
  readonly key: TileBuffer
  readonly value: TileBuffer
  readonly output: TileBuffer
  readonly rowMaximum: TileBuffer
  readonly rowSum: TileBuffer
  readonly logSumExp: TileBuffer
  /** Starts the running softmax of a query tile. */
  start(head: number): void
  /** Takes the key and value tile on the chip into the softmax of the query tile on the chip. */
  absorb(batch: number, head: number, queryBlock: number, keyBlock: number, full: boolean): void
}

/** FlashAttention-2: every output tile is stored once, keys and values are loaded for each. */
function queriesOutside(chip: Chip, b: number, h: number): void {
  const { tiling, softmax, query, key, value, output, logSumExp } = chip
  for (let i = 0; i < tiling.queryBlocks; i++) {
    query.load(b, h, i)
    chip.start(h)
    for (const { block: j, full } of tiling.keyTiles(b, h, i)) {
      key.load(b, h, j)
      value.load(b, h, j)
      chip.absorb(b, h, i, j, full)
    }
    normalizeRows(softmax)
    output.store(b, h, i)
    rowLogSumExp(softmax, logSumExp.values)
    logSumExp.store(b, h, i)
  }
}

/** FlashAttention: keys and values are loaded once, partial outputs come and go for each key tile. */
function keysOutside(chip: Chip, b: number, h: number): void {
  const { tiling, softmax, query, key, value, output, rowMaximum, rowSum, logSumExp } = chip
  for (let j = 0; j < tiling.keyBlocks(b); j++) {
    const tiles = tiling.queryTiles(b, h, j)
    if (tiles.length === 0) continue
    key.load(b, h, j)
    value.load(b, h, j)
    for (const { block: i, full } of tiles) {
      query.load(b, h, i)
      output.load(b, h, i)
      rowMaximum.load(b, h, i)
      rowSum.load(b, h, i)
      unnormalizeRows(softmax)
      chip.absorb(b, h, i, j, full)
      normalizeRows(softmax)
      output.store(b, h, i)
      rowMaximum.store(b, h, i)
      rowSum.store(b, h, i)
    }
  }
  for (let i = 0; i < tiling.queryBlocks; i++) {
    rowMaximum.load(b, h, i)
    rowSum.load(b, h, i)
    rowLogSumExp(softmax, logSumExp.values)
    logSumExp.store(b, h, i)
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
