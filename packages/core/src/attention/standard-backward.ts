// The gradients of attention in explicit passes over S and P in memory, in float64: the specification
// of every other backward pass. The formulas are those of FlashAttention (arXiv 2205.14135), appendix
// B.2: dV = P^T dO, dP = dO V^T, dS = P (dP - sum of P dP), dQ = scale dS K, dK = scale dS^T Q.
import { checkTensors } from '../tensor/check-tensor.ts'
import { cast, toFloat64Array } from '../tensor/layout.ts'
import { tensor } from '../tensor/tensor.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { AttentionGradients } from './gradients.ts'
import { checkAttentionOptions } from './option-names.ts'
import { checkParameters } from './check-parameters.ts'
import { attentionShape, checkTensorShape, resolveOptions } from './options.ts'
import { checkForwardResult } from './result.ts'
import type { AttentionResult } from './result.ts'
import { pairGradients } from './pair-gradients.ts'
import { pairRules } from './pair-rules.ts'
import { standardAttention, standardOptions } from './standard.ts'
import type { StandardAttentionOptions, StandardAttentionResult } from './standard.ts'
import { backwardPasses, forwardPasses, tellPass } from './standard-schedule.ts'
import type { StandardPass } from './standard-schedule.ts'

/**
 * The gradients of `standardAttention`, accumulated in float64 whatever the inputs are.
 *
 * Hidden pairs and rows without a visible key have zero gradients, never NaN. Where a score modifier
 * has no derivative, `differentiate` says what is used.
 *
 * @param query - `[B, H, L, D]`, any strides.
 * @param key - `[B, Hkv, S, D]`.
 * @param value - `[B, Hkv, S, Dv]`.
 * @param forward - What the forward pass returned. S and P are taken from it where it holds them, as that
 *   of `standardAttention` does, and computed again otherwise.
 * @param dOutput - `[B, H, L, Dv]`: gradient of the loss by the output.
 * @param options - Those of the forward pass. `trace` is told of the backward pass alone, which takes
 *   S and P as the forward pass left them in memory.
 * @throws RangeError for shapes and values that do not fit, TypeError for options of the wrong kind.
 *
 * @example
 * ```ts
 * import { standardAttention, standardAttentionBackward, tensorFrom } from '@attn/core'
 * const query = tensorFrom([1], [1, 1, 1, 1])
 * const key = tensorFrom([0, 0], [1, 1, 2, 1])
 * const value = tensorFrom([1, 3], [1, 1, 2, 1])
 * const dOutput = tensorFrom([1], [1, 1, 1, 1])
 * const forward = standardAttention(query, key, value)
 * const { dKey, dValue } = standardAttentionBackward(query, key, value, forward, dOutput)
 * Array.from(dValue.storage) // => [0.5, 0.5]
 * Array.from(dKey.storage) // => [-0.5, 0.5]
 * ```
 */
export function standardAttentionBackward(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  forward: AttentionResult | StandardAttentionResult,
  dOutput: Tensor,
  options: StandardAttentionOptions = {},
): AttentionGradients {
  checkAttentionOptions('standardAttentionBackward', options, standardOptions)
  checkForwardResult('standardAttentionBackward', forward)
  const { output } = forward
  const ofForward = { output, logSumExp: forward.logSumExp }
  checkTensors('standardAttentionBackward', { query, key, value, ...ofForward, dOutput })
  const shape = attentionShape('standardAttentionBackward', query, key, value)
  const resolved = resolveOptions('standardAttentionBackward', shape, options)
  checkParameters('standardAttentionBackward', resolved)
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const outputShape = [batch, heads, queryLength, valueDim]
  checkTensorShape('standardAttentionBackward', 'dOutput', outputShape, dOutput)
  checkTensorShape('standardAttentionBackward', 'output', outputShape, output)
  const { scale, sinks } = resolved
  const rules = pairRules(shape, resolved)
  const modifiers = pairGradients(shape, resolved)

  const q = toFloat64Array(query) // [B, H, L, D]
  const k = toFloat64Array(key) // [B, Hkv, S, D]
  const v = toFloat64Array(value) // [B, Hkv, S, Dv]
  const dO = toFloat64Array(dOutput) // [B, H, L, Dv]
  const { trace, ...forwardOptions } = options
  const again = (): StandardAttentionResult =>
    standardAttention(
      tensor(q, query.shape),
      tensor(k, key.shape),
      tensor(v, value.shape),
      forwardOptions,
    )
  // A sink's share needs logSumExp in float64, which only float64 inputs leave.
  const known = 'scores' in forward && 'probabilities' in forward && !sinks ? forward : again()
  const scores = toFloat64Array(known.scores) // [B, H, L, S]
  const probabilities = toFloat64Array(known.probabilities) // [B, H, L, S]
  const logSumExp = toFloat64Array(known.logSumExp) // [B, H, L]

  const dQ = new Float64Array(q.length)
  const dK = new Float64Array(k.length)
  const dV = new Float64Array(v.length)
  const dP = new Float64Array(queryLength * keyLength) // Of one head, and so is dS.
  const dS = new Float64Array(dP.length)
  const dSinks = sinks && new Float64Array(heads)
  // Score modifiers are differentiated at the plain product, which pass 3 computes once more.
  const throughScores: StandardPass =
    resolved.scoreModifiers.length === 0
      ? backwardPasses.softmax
      : {
          ...backwardPasses.softmax,
          loads: [...backwardPasses.softmax.loads, ...forwardPasses.scores.loads],
        }
  const tell = (pass: StandardPass, b: number, h: number): void => {
    if (trace) tellPass(pass, shape, b, h, h % (heads / kvHeads) === 0, trace)
  }

  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const kvHead = b * kvHeads + Math.floor((h * kvHeads) / heads)
      const firstRow = (b * heads + h) * queryLength
      /** Calls `visit` with the places of every visible pair: of its row, key row and entry of S. */
      const eachPair = (
        visit: (i: number, j: number, row: number, keyRow: number, pair: number) => void,
      ): void => {
        for (let i = 0; i < queryLength; i++) {
          rules.atQuery(b, h, i)
          const row = firstRow + i
          for (let j = 0; j < keyLength; j++) {
            const pair = row * keyLength + j
            if (scores[pair] === -Infinity) continue // Its key and value may be padding, even NaN.
            visit(i, j, row, kvHead * keyLength + j, pair)
          }
        }
      }

      // Pass 1: back through the weighted sum to the values; dropped pairs get nothing.
      eachPair((_i, j, row, keyRow, pair) => {
        const weight = rules.weight(j) * probabilities[pair]!
        const [vRow, oRow] = [keyRow * valueDim, row * valueDim]
        for (let d = 0; d < valueDim; d++) dV[vRow + d]! += weight * dO[oRow + d]!
      })
      tell(backwardPasses.values, b, h)

      // Pass 2: and to P.
      eachPair((i, j, row, keyRow) => {
        const [vRow, oRow] = [keyRow * valueDim, row * valueDim]
        let product = 0
        for (let d = 0; d < valueDim; d++) product += dO[oRow + d]! * v[vRow + d]!
        dP[i * keyLength + j] = rules.weight(j) * product
      })
      tell(backwardPasses.weights, b, h)

      // Pass 3: back through the softmax, whose normalising takes the sum of P dP off each dP; the sink
      // is a score whose dP is 0. Then through the score modifiers and the scale.
      const totals = new Float64Array(queryLength)
      eachPair((i, j, _row, _keyRow, pair) => {
        totals[i]! += probabilities[pair]! * dP[i * keyLength + j]!
      })
      if (dSinks && sinks[h]! > -Infinity) {
        totals.forEach((total, i) => {
          dSinks[h]! -= Math.exp(sinks[h]! - logSumExp[firstRow + i]!) * total
        })
      }
      eachPair((i, j, row, keyRow, pair) => {
        const here = i * keyLength + j
        const dScore = probabilities[pair]! * (dP[here]! - totals[i]!)
        let product = 0
        if (resolved.scoreModifiers.length > 0) {
          const [qRow, kRow] = [row * headDim, keyRow * headDim]
          for (let d = 0; d < headDim; d++) product += q[qRow + d]! * k[kRow + d]!
        }
        dS[here] = scale * modifiers.backward(b, h, i, j, product * scale, dScore)
      })
      tell(throughScores, b, h)

      // Pass 4: back through the product to the queries, then (pass 5) to the keys.
      eachPair((i, j, row, keyRow) => {
        const [qRow, kRow] = [row * headDim, keyRow * headDim]
        const gradient = dS[i * keyLength + j]!
        for (let d = 0; d < headDim; d++) dQ[qRow + d]! += gradient * k[kRow + d]!
      })
      tell(backwardPasses.queries, b, h)
      eachPair((i, j, row, keyRow) => {
        const [qRow, kRow] = [row * headDim, keyRow * headDim]
        const gradient = dS[i * keyLength + j]!
        for (let d = 0; d < headDim; d++) dK[kRow + d]! += gradient * q[qRow + d]!
      })
      tell(backwardPasses.keys, b, h)
    }
  }
  return {
    dQuery: cast(tensor(dQ, query.shape), query.dtype),
    dKey: cast(tensor(dK, key.shape), key.dtype),
    dValue: cast(tensor(dV, value.shape), value.dtype),
    dTables: modifiers.dTables,
    dSinks,
  }
}
