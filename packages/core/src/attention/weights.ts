// Attention weights: the probabilities that flash attention never stores, for the rows and heads that
// are asked for, and reduced while they are computed. A row at a time, so that no more is ever in memory
// than what is returned: for word timestamps (the alignment heads of a speech model), for pictures, and
// for scores by which tokens leave a cache (H2O, arXiv 2306.14048; SnapKV, arXiv 2404.14469).
import { checkTensors } from '../tensor/check-tensor.ts'
import { toFloat64Array } from '../tensor/layout.ts'
import { tensor, zeros } from '../tensor/tensor.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkAttentionOptions } from './option-names.ts'
import type { OwnNames } from './option-names.ts'
import { checkParameters } from './check-parameters.ts'
import { attentionShape, resolveOptions } from './options.ts'
import type { AttentionOptions, AttentionShape } from './options.ts'
import { pairRules } from './pair-rules.ts'
import { logSumExpType } from './result.ts'
import { resolveWeights } from './weights-selection.ts'
import type { WeightsSelection } from './weights-selection.ts'

/** Options of {@link attentionWeights}. */
export interface AttentionWeightsOptions extends AttentionOptions, WeightsSelection {}

const weightsOptions: OwnNames<AttentionWeightsOptions> = {
  queries: true,
  heads: true,
  reduce: true,
}

/**
 * The softmax of the scores, for the rows and heads asked for: what `standardAttention` returns as
 * `probabilities`, or a reduction of it. Dropout does not touch it; a sink takes part in the softmax, so
 * that rows then add up to less than 1. A row without a visible key is 0.
 *
 * @param query - `[B, H, L, D]`, any strides.
 * @param key - `[B, Hkv, S, D]`; Hkv divides H.
 * @param options - Those of attention, and which weights: see {@link AttentionWeightsOptions}.
 * @returns float32 (float64 where both inputs are), for `h` heads and `l` queries chosen:
 *   `[B, h, l, S]`, over queries `[B, h, S]`, over heads `[B, l, S]`.
 * @throws RangeError for shapes and values that do not fit, TypeError for options of the wrong kind.
 *
 * @example
 * ```ts
 * import { attentionWeights, tensorFrom, zeros } from '@attn/core'
 * const query = zeros([1, 2, 3, 1])
 * const key = tensorFrom([5, 6, 7, 8], [1, 1, 4, 1])
 * attentionWeights(query, key).shape // => [1, 2, 3, 4]
 * // How much attention each key got from the last two queries of head 1:
 * const received = attentionWeights(query, key, { heads: [1], queries: [1, 3], reduce: 'sum over queries' })
 * received.shape // => [1, 1, 4]
 * Array.from(received.storage) // => [0.5, 0.5, 0.5, 0.5]
 * ```
 */
export function attentionWeights(
  query: Tensor,
  key: Tensor,
  options: AttentionWeightsOptions = {},
): Tensor {
  checkAttentionOptions('attentionWeights', options, weightsOptions)
  checkTensors('attentionWeights', { query, key })
  const shape = attentionShape('attentionWeights', query, key, key)
  const resolved = resolveOptions('attentionWeights', shape, options)
  checkParameters('attentionWeights', resolved)
  const {
    queries,
    heads,
    reduce,
    shape: wanted,
  } = resolveWeights('attentionWeights', shape, options)
  const { batch, keyLength } = shape
  const result = zeros(wanted, logSumExpType(query, key))
  const row = new Float64Array(keyLength)
  const softmax = rowSoftmax(shape, resolved, query, key)
  const rows = queries.end - queries.start
  // Sums of many rows are kept in float64 to the end.
  const sums = reduce === 'none' ? undefined : new Float64Array(result.storage.length)
  for (let b = 0; b < batch; b++) {
    heads.forEach((head, place) => {
      for (let i = 0; i < rows; i++) {
        softmax(row, b, head, queries.start + i)
        const plane = b * heads.length + place
        if (reduce === 'none') result.storage.set(row, (plane * rows + i) * keyLength)
        else absorb(sums!, (reduce === 'mean over heads' ? b * rows + i : plane) * keyLength)
      }
    })
  }
  return sums ? tensor(result.dtype === 'float64' ? sums : Float32Array.from(sums), wanted) : result

  function absorb(into: Float64Array, from: number): void {
    for (let j = 0; j < keyLength; j++) {
      const held = into[from + j]!
      into[from + j] =
        reduce === 'maximum'
          ? Math.max(held, row[j]!)
          : held + (reduce === 'mean over heads' ? row[j]! / heads.length : row[j]!)
    }
  }
}

/** A function that fills a list with the softmax of one row of scores. */
function rowSoftmax(
  shape: AttentionShape,
  resolved: ReturnType<typeof resolveOptions>,
  query: Tensor,
  key: Tensor,
): (row: Float64Array, batch: number, head: number, queryIndex: number) => void {
  const { heads, kvHeads, queryLength, keyLength, headDim } = shape
  const q = toFloat64Array(query) // [B, H, L, D]
  const k = toFloat64Array(key) // [B, Hkv, S, D]
  const rules = pairRules(shape, resolved)
  return (row, batch, head, queryIndex) => {
    const keyHead = batch * kvHeads + Math.floor((head * kvHeads) / heads)
    const qRow = ((batch * heads + head) * queryLength + queryIndex) * headDim
    const sink = resolved.sinks?.[head] ?? -Infinity
    rules.atQuery(batch, head, queryIndex)
    let maximum = sink
    for (let j = 0; j < keyLength; j++) {
      let score = -Infinity
      if (rules.visible(j)) {
        const kRow = (keyHead * keyLength + j) * headDim
        let product = 0
        for (let d = 0; d < headDim; d++) product += q[qRow + d]! * k[kRow + d]!
        score = rules.modify(product * resolved.scale, j)
      }
      row[j] = score
      maximum = Math.max(maximum, score)
    }
    let sum = sink === -Infinity ? 0 : Math.exp(sink - maximum)
    for (let j = 0; j < keyLength; j++) {
      // Where nothing is visible both are -Infinity, whose difference would be NaN.
      if (row[j] === -Infinity) continue
      row[j] = Math.exp(row[j]! - maximum)
      sum += row[j]!
    }
    // The weight of a hidden pair is 0, in a row of NaN as well.
    for (let j = 0; j < keyLength; j++) row[j] = row[j] === -Infinity ? 0 : row[j]! / sum
  }
}
