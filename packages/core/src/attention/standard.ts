// Attention as "Attention Is All You Need" (arXiv 1706.03762) writes it: softmax(Q K^T) V with all of
// S and P in memory, one explicit pass after another, in float64. This file is the specification;
// every faster algorithm and every other backend is tested against it.
import { cast, toFloat64Array } from '../tensor/layout.ts'
import { checkTensors } from '../tensor/check-tensor.ts'
import { tensor } from '../tensor/tensor.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { checkAttentionOptions } from './option-names.ts'
import type { OwnNames } from './option-names.ts'
import { checkParameters } from './check-parameters.ts'
import { attentionShape, resolveOptions } from './options.ts'
import type { AttentionOptions } from './options.ts'
import { pairRules } from './pair-rules.ts'
import { logSumExpType, wantsRowMaximum } from './result.ts'
import type { AttentionResult, ResultRequest } from './result.ts'
import { forwardPasses, tellPass } from './standard-schedule.ts'
import type { StandardPass } from './standard-schedule.ts'
import type { TileEvent } from './trace.ts'

/** Options of {@link standardAttention} and of its backward pass. */
export interface StandardAttentionOptions extends AttentionOptions, ResultRequest {
  /** Called for every matrix that a pass over one head loads or stores, each once a pass. */
  readonly trace?: ((event: TileEvent) => void) | undefined
}

/** The names of options of standard attention that not all algorithms have. */
export const standardOptions: OwnNames<StandardAttentionOptions> = {
  trace: true,
  rowMaximum: true,
}

/** The result of {@link standardAttention}: the two matrices of its passes as well. */
export interface StandardAttentionResult extends AttentionResult {
  /** S, float64 `[B, H, L, S]`: scaled and modified scores, -Infinity where hidden. */
  readonly scores: Tensor
  /** P, float64 `[B, H, L, S]`: the softmax of each row before dropout, 0 where hidden. */
  readonly probabilities: Tensor
}

/**
 * Exact attention in explicit passes, accumulated in float64 whatever the inputs are.
 *
 * A pair is hidden by the mask, by `keyLengths`, or by a score of -Infinity. A hidden pair
 * contributes nothing, whatever its key and value hold (padding may be NaN). A row without a visible
 * key has output 0 and logSumExp -Infinity (that of its sink, if it has one). A score of NaN or +Infinity makes its row NaN, and NaN or
 * infinite values of visible keys go through the weighted sum as IEEE arithmetic has it.
 *
 * @param query - `[B, H, L, D]`, any strides.
 * @param key - `[B, Hkv, S, D]`; Hkv divides H.
 * @param value - `[B, Hkv, S, Dv]`.
 * @param options - See {@link StandardAttentionOptions}.
 * @returns Output `[B, H, L, Dv]` in the dtype of `query`, logSumExp `[B, H, L]`, and S and P.
 * @throws RangeError for shapes and values that do not fit, TypeError for options of the wrong kind.
 *
 * @example
 * ```ts
 * import { standardAttention, tensorFrom } from '@attn/core'
 * const query = tensorFrom([1, 0], [1, 1, 1, 2])
 * const key = tensorFrom([0, 0, 0, 0], [1, 1, 2, 2])
 * const value = tensorFrom([1, 3], [1, 1, 2, 1])
 * const { output, probabilities } = standardAttention(query, key, value)
 * output.storage[0] // => 2
 * probabilities.storage[0] // => 0.5
 * ```
 */
export function standardAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: StandardAttentionOptions = {},
): StandardAttentionResult {
  checkAttentionOptions('standardAttention', options, standardOptions)
  checkTensors('standardAttention', { query, key, value })
  const shape = attentionShape('standardAttention', query, key, value)
  const resolved = resolveOptions('standardAttention', shape, options)
  checkParameters('standardAttention', resolved)
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const rowMaximum = wantsRowMaximum('standardAttention', options)
  const rules = pairRules(shape, resolved)

  const q = toFloat64Array(query) // [B, H, L, D]
  const k = toFloat64Array(key) // [B, Hkv, S, D]
  const v = toFloat64Array(value) // [B, Hkv, S, Dv]
  const scores = new Float64Array(batch * heads * queryLength * keyLength) // [B, H, L, S]
  const probabilities = new Float64Array(scores.length) // [B, H, L, S]
  const logSumExp = new Float64Array(batch * heads * queryLength) // [B, H, L]
  const largest = new Float64Array(logSumExp.length).fill(-Infinity) // [B, H, L]
  const output = new Float64Array(batch * heads * queryLength * valueDim) // [B, H, L, Dv]

  const { trace } = options
  const tell = (pass: StandardPass, b: number, h: number): void => {
    if (trace) tellPass(pass, shape, b, h, true, trace)
  }

  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      // Grouped queries: H / Hkv neighbouring query heads read the same keys and values.
      const kvHead = b * kvHeads + Math.floor((h * kvHeads) / heads)
      const firstRow = (b * heads + h) * queryLength

      // Pass 1: S, scaled, then modified.
      for (let i = 0; i < queryLength; i++) {
        const qRow = (firstRow + i) * headDim
        const sRow = (firstRow + i) * keyLength
        rules.atQuery(b, h, i)
        for (let j = 0; j < keyLength; j++) {
          let score = -Infinity
          if (rules.visible(j)) {
            const kRow = (kvHead * keyLength + j) * headDim
            let product = 0
            for (let d = 0; d < headDim; d++) product += q[qRow + d]! * k[kRow + d]!
            score = rules.modify(product * resolved.scale, j)
          }
          scores[sRow + j] = score
        }
      }
      tell(forwardPasses.scores, b, h)

      // Pass 2: P, the softmax of each row of S, in which a sink takes part. Subtracting the maximum
      // keeps every exp within 1. A row that sees nothing stays 0.
      const sink = resolved.sinks?.[h] ?? -Infinity
      for (let i = 0; i < queryLength; i++) {
        const sRow = (firstRow + i) * keyLength
        for (let j = 0; j < keyLength; j++) {
          largest[firstRow + i] = Math.max(largest[firstRow + i]!, scores[sRow + j]!)
        }
        const maximum = Math.max(sink, largest[firstRow + i]!)
        let sum = sink === -Infinity ? 0 : Math.exp(sink - maximum)
        for (let j = 0; j < keyLength; j++) {
          const score = scores[sRow + j]!
          const exponential = score === -Infinity ? 0 : Math.exp(score - maximum)
          probabilities[sRow + j] = exponential
          sum += exponential
        }
        logSumExp[firstRow + i] = sum === 0 ? -Infinity : maximum + Math.log(sum)
        const inverse = sum === 0 ? 0 : 1 / sum
        for (let j = 0; j < keyLength; j++) {
          // That of a hidden pair is 0 in a row of NaN as well.
          if (scores[sRow + j] !== -Infinity) probabilities[sRow + j]! *= inverse
        }
      }
      tell(forwardPasses.softmax, b, h)

      // Pass 3: O, the weighted sum of the values, some of them dropped.
      for (let i = 0; i < queryLength; i++) {
        const sRow = (firstRow + i) * keyLength
        const oRow = (firstRow + i) * valueDim
        rules.atQuery(b, h, i)
        for (let j = 0; j < keyLength; j++) {
          if (scores[sRow + j] === -Infinity) continue // Its value may be padding, even NaN.
          const weight = rules.weight(j) * probabilities[sRow + j]!
          const vRow = (kvHead * keyLength + j) * valueDim
          for (let d = 0; d < valueDim; d++) output[oRow + d]! += weight * v[vRow + d]!
        }
      }
      tell(forwardPasses.output, b, h)
    }
  }

  const pairs = [batch, heads, queryLength, keyLength]
  const rows = [batch, heads, queryLength]
  const rowType = logSumExpType(query, key, value)
  return {
    output: cast(tensor(output, [batch, heads, queryLength, valueDim]), query.dtype),
    logSumExp: cast(tensor(logSumExp, rows), rowType),
    ...(rowMaximum ? { rowMaximum: cast(tensor(largest, rows), rowType) } : {}),
    scores: tensor(scores, pairs),
    probabilities: tensor(probabilities, pairs),
  }
}
