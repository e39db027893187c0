// FlashAttention's backward pass: P is computed again tile by tile from logSumExp, so neither S nor P
// is ever in memory. FlashAttention-2 (arXiv 2307.08691, algorithm 2): first D = rowsum(dO * O), then
// keys outside, queries inside. D holds with dropout too, since O already went through it.
import { cast } from '../tensor/layout.ts'
import { zeros } from '../tensor/tensor.ts'
import type { Tensor } from '../tensor/tensor.ts'
import {
  rowProducts,
  sinkGradient,
  startKeyGradients,
  tileDifferentiator,
} from './gradient-tile.ts'
import type { GradientTiles } from './gradient-tile.ts'
import type { AttentionGradients } from './gradients.ts'
import { attentionShape, checkParameters, checkTensorShape, resolveOptions } from './options.ts'
import type { AttentionOptions } from './options.ts'
import { pairGradients } from './pair-gradients.ts'
import type { AttentionResult } from './result.ts'
import { asColumn, tileBuffer } from './tile.ts'
import { resolveTiling } from './tiling.ts'
import type { TilingOptions } from './tiling.ts'

/** Options of {@link flashAttentionBackward}: those of the forward pass. */
export interface FlashAttentionBackwardOptions extends AttentionOptions, TilingOptions {}

/**
 * The gradients of attention tile by tile, from the output and logSumExp of the forward pass (of
 * `flashAttention`, `standardAttention` or `mergeAttention`).
 *
 * The same gradients as `standardAttentionBackward` up to the rounding of float64 sums and of
 * `forward`. Sums over queries and over grouped heads are made in ascending order, so the result is
 * the same from run to run.
 *
 * @param query - `[B, H, L, D]`, any strides.
 * @param key - `[B, Hkv, S, D]`.
 * @param value - `[B, Hkv, S, Dv]`.
 * @param forward - What the forward pass returned.
 * @param dOutput - `[B, H, L, Dv]`: gradient of the loss by the output.
 * @param options - Those of the forward pass; tiles may be other ones.
 * @throws RangeError for shapes and values that do not fit, TypeError for options of the wrong kind.
 *
 * @example
 * ```ts
 * import { flashAttention, flashAttentionBackward, tensorFrom } from '@attn/core'
 * const query = tensorFrom([1], [1, 1, 1, 1])
 * const key = tensorFrom([0, 0], [1, 1, 2, 1])
 * const value = tensorFrom([1, 3], [1, 1, 2, 1])
 * const forward = flashAttention(query, key, value)
 * const dOutput = tensorFrom([1], [1, 1, 1, 1])
 * const { dKey } = flashAttentionBackward(query, key, value, forward, dOutput)
 * Array.from(dKey.storage).map(Math.fround) // => [-0.5, 0.5]
 * ```
 */
export function flashAttentionBackward(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  forward: AttentionResult,
  dOutput: Tensor,
  options: FlashAttentionBackwardOptions = {},
): AttentionGradients {
  const caller = 'flashAttentionBackward'
  const shape = attentionShape(caller, query, key, value)
  const { batch, heads, kvHeads, queryLength, valueDim } = shape
  const rows = [batch, heads, queryLength]
  checkTensorShape(caller, 'dOutput', [...rows, valueDim], dOutput)
  checkTensorShape(caller, 'output', [...rows, valueDim], forward.output)
  checkTensorShape(caller, 'logSumExp', rows, forward.logSumExp)
  const resolved = resolveOptions(caller, shape, options)
  checkParameters(caller, resolved)
  const tiling = resolveTiling(caller, shape, resolved, options)
  const { queryBlockSize, keyBlockSize } = tiling

  // In memory: gradients come and go, so they stay float64 to the end.
  const delta = zeros(rows, 'float64')
  const dQuery = zeros(query.shape, 'float64')
  const dKey = zeros(key.shape, 'float64')
  const dValue = zeros(value.shape, 'float64')
  const dSinks = resolved.sinks && new Float64Array(heads)

  // On the chip: one tile of each.
  const { trace } = options
  const ofQueries = { blockSize: queryBlockSize, trace }
  const ofKeys = {
    blockSize: keyBlockSize,
    length: (b: number) => resolved.keyLengths[b]!,
    headOf: (head: number) => Math.floor((head * kvHeads) / heads),
    trace,
  }
  const tiles: GradientTiles = {
    query: tileBuffer('query', query, ofQueries),
    output: tileBuffer('output', forward.output, ofQueries),
    dOutput: tileBuffer('dOutput', dOutput, ofQueries),
    logSumExp: tileBuffer('logSumExp', asColumn(forward.logSumExp), ofQueries),
    delta: tileBuffer('delta', asColumn(delta), ofQueries),
    dQuery: tileBuffer('dQuery', dQuery, ofQueries),
    key: tileBuffer('key', key, ofKeys),
    value: tileBuffer('value', value, ofKeys),
    dKey: tileBuffer('dKey', dKey, ofKeys),
    dValue: tileBuffer('dValue', dValue, ofKeys),
  }
  const modifiers = pairGradients(shape, resolved)
  const differentiateTile = tileDifferentiator(shape, resolved, tiling, tiles, modifiers)

  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < tiling.queryBlocks; i++) {
        tiles.output.load(b, h, i)
        tiles.dOutput.load(b, h, i)
        rowProducts(tiles, valueDim)
        tiles.delta.store(b, h, i)
        if (!dSinks) continue
        tiles.logSumExp.load(b, h, i)
        const count = Math.min(queryBlockSize, queryLength - i * queryBlockSize)
        dSinks[h]! += sinkGradient(tiles, resolved.sinks[h]!, count)
      }
      for (let j = 0; j < tiling.keyBlocks(b); j++) {
        const queryTiles = tiling.queryTiles(b, h, j)
        if (queryTiles.length === 0) continue
        tiles.key.load(b, h, j)
        tiles.value.load(b, h, j)
        startKeyGradients(tiles, b, h, j, h % (heads / kvHeads) === 0)
        for (const { block: i, full } of queryTiles) {
          tiles.query.load(b, h, i)
          tiles.dOutput.load(b, h, i)
          tiles.logSumExp.load(b, h, i)
          tiles.delta.load(b, h, i)
          tiles.dQuery.load(b, h, i)
          differentiateTile(b, h, i, j, full)
          tiles.dQuery.store(b, h, i)
        }
        tiles.dKey.store(b, h, j)
        tiles.dValue.store(b, h, j)
      }
    }
  }
  return {
    dQuery: cast(dQuery, query.dtype),
    dKey: cast(dKey, key.dtype),
    dValue: cast(dValue, value.dtype),
    dTables: modifiers.dTables,
    dSinks,
  }
}
