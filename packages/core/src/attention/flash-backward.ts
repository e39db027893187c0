// FlashAttention's backward pass: P is computed again tile by tile from logSumExp, so neither S nor P
// is ever in memory (arXiv 2205.14135, algorithm 4; 2307.08691, algorithm 2). D = rowsum(dO * O) holds
// with dropout too, since O already went through it. In which order tiles come and go is in
// backward-schedule.ts.
import { checkTensors } from '../tensor/check-tensor.ts'
import { cast } from '../tensor/layout.ts'
import { zeros } from '../tensor/tensor.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { backwardSchedule } from './backward-schedule.ts'
import { rowProducts, sinkGradient, tileDifferentiator } from './gradient-tile.ts'
import type { GradientTiles } from './gradient-tile.ts'
import type { AttentionGradients } from './gradients.ts'
import { checkAttentionOptions } from './option-names.ts'
import type { OwnNames } from './option-names.ts'
import { checkParameters } from './check-parameters.ts'
import { attentionShape, checkTensorShape, resolveOptions } from './options.ts'
import type { AttentionOptions } from './options.ts'
import { pairGradients } from './pair-gradients.ts'
import { checkForwardResult } from './result.ts'
import type { AttentionResult } from './result.ts'
import { checkLoopOrder } from './schedule.ts'
import type { LoopOrder } from './schedule.ts'
import { asColumn, tileBuffer } from './tile.ts'
import { resolveTiling, tilingOptions } from './tiling.ts'
import type { TilingOptions } from './tiling.ts'

/** Options of {@link flashAttentionBackward}: those of the forward pass. */
export interface FlashAttentionBackwardOptions extends AttentionOptions, TilingOptions {
  /**
   * Which gradients are finished on the chip: those of a key tile, as in FlashAttention and
   * FlashAttention-2 (`keys-outside`), or those of a query tile, which moves more
   * (`queries-outside`). Not that of the forward pass. Default: `keys-outside`.
   */
  readonly loopOrder?: LoopOrder | undefined
}

const flashBackwardOptions: OwnNames<FlashAttentionBackwardOptions> = {
  ...tilingOptions,
  loopOrder: true,
}

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
  checkAttentionOptions(caller, options, flashBackwardOptions)
  checkForwardResult(caller, forward)
  const { output, logSumExp } = forward
  checkTensors(caller, { query, key, value, output, logSumExp, dOutput })
  const shape = attentionShape(caller, query, key, value)
  const { batch, heads, kvHeads, queryLength, valueDim } = shape
  const rows = [batch, heads, queryLength]
  checkTensorShape(caller, 'dOutput', [...rows, valueDim], dOutput)
  checkTensorShape(caller, 'output', [...rows, valueDim], forward.output)
  checkTensorShape(caller, 'logSumExp', rows, forward.logSumExp)
  const resolved = resolveOptions(caller, shape, options)
  checkParameters(caller, resolved)
  const tiling = resolveTiling(caller, shape, resolved, options)
  const { loopOrder = 'keys-outside' } = options
  checkLoopOrder(caller, loopOrder)
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
  const chip = {
    ...tiles,
    startsGroup: (h: number) => h % (heads / kvHeads) === 0,
    rowProducts: () => rowProducts(tiles, valueDim),
    absorbSink:
      dSinks &&
      ((h: number, i: number) => {
        const count = Math.min(queryBlockSize, queryLength - i * queryBlockSize)
        dSinks[h]! += sinkGradient(tiles, resolved.sinks![h]!, count)
      }),
    clearKeys: () => {
      tiles.dKey.values.fill(0)
      tiles.dValue.values.fill(0)
    },
    clearQueries: () => {
      tiles.dQuery.values.fill(0)
    },
    differentiate: tileDifferentiator(shape, resolved, tiling, tiles, modifiers),
  }

  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) backwardSchedule(loopOrder, tiling, chip, b, h)
  }
  return {
    dQuery: cast(dQuery, query.dtype),
    dKey: cast(dKey, key.dtype),
    dValue: cast(dValue, value.dtype),
    dTables: modifiers.dTables,
    dSinks,
  }
}
