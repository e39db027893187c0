// The gradients of attention in explicit passes over S and P in memory, in float64: the specification
// of every other backward pass. The formulas are those of FlashAttention (arXiv 2205.14135), appendix
// B.2: dV = P^T dO, dP = dO V^T, dS = P (dP - sum of P dP), dQ = scale dS K, dK = scale dS^T Q.
import { cast, toFloat64Array } from '../tensor/layout.ts'
import { tensor } from '../tensor/tensor.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { AttentionGradients } from './gradients.ts'
import { attentionShape, checkParameters, checkTensorShape, resolveOptions } from './options.ts'
import type { AttentionOptions } from './options.ts'
import { pairGradients } from './pair-gradients.ts'
import { pairRules } from './pair-rules.ts'
import { standardAttention } from './standard.ts'

/**
 * The gradients of `standardAttention`, accumulated in float64 whatever the inputs are.
 *
 * Hidden pairs and rows without a visible key have zero gradients, never NaN. Where a score modifier
 * has no derivative, `differentiate` says what is used.
 *
 * @param query - `[B, H, L, D]`, any strides.
 * @param key - `[B, Hkv, S, D]`.
 * @param value - `[B, Hkv, S, Dv]`.
 * @param dOutput - `[B, H, L, Dv]`: gradient of the loss by the output.
 * @param options - Those of the forward pass.
 * @throws RangeError for shapes and values that do not fit, TypeError for options of the wrong kind.
 *
 * @example
 * ```ts
 * import { standardAttentionBackward, tensorFrom } from '@attn/core'
 * const query = tensorFrom([1], [1, 1, 1, 1])
 * const key = tensorFrom([0, 0], [1, 1, 2, 1])
 * const value = tensorFrom([1, 3], [1, 1, 2, 1])
 * const dOutput = tensorFrom([1], [1, 1, 1, 1])
 * const { dKey, dValue } = standardAttentionBackward(query, key, value, dOutput)
 * Array.from(dValue.storage) // => [0.5, 0.5]
 * Array.from(dKey.storage) // => [-0.5, 0.5]
 * ```
 */
export function standardAttentionBackward(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  dOutput: Tensor,
  options: AttentionOptions = {},
): AttentionGradients {
  const shape = attentionShape('standardAttentionBackward', query, key, value)
  const resolved = resolveOptions('standardAttentionBackward', shape, options)
  checkParameters('standardAttentionBackward', resolved)
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const outputShape = [batch, heads, queryLength, valueDim]
  checkTensorShape('standardAttentionBackward', 'dOutput', outputShape, dOutput)
  const { scale, sinks } = resolved
  const rules = pairRules(shape, resolved)
  const modifiers = pairGradients(shape, resolved)

  const q = toFloat64Array(query) // [B, H, L, D]
  const k = toFloat64Array(key) // [B, Hkv, S, D]
  const v = toFloat64Array(value) // [B, Hkv, S, Dv]
  const dO = toFloat64Array(dOutput) // [B, H, L, Dv]
  const forward = standardAttention(
    tensor(q, query.shape),
    tensor(k, key.shape),
    tensor(v, value.shape),
    options,
  )
  const scores = forward.scores.storage // [B, H, L, S]
  const probabilities = forward.probabilities.storage // [B, H, L, S]
  const logSumExp = forward.logSumExp.storage // [B, H, L]

  const dQ = new Float64Array(q.length)
  const dK = new Float64Array(k.length)
  const dV = new Float64Array(v.length)
  const dP = new Float64Array(keyLength) // One row.
  const dSinks = sinks && new Float64Array(heads)

  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const kvHead = b * kvHeads + Math.floor((h * kvHeads) / heads)
      for (let i = 0; i < queryLength; i++) {
        const row = (b * heads + h) * queryLength + i
        const qRow = row * headDim
        const oRow = row * valueDim
        const sRow = row * keyLength
        rules.atQuery(b, h, i)

        // Pass 1: back through the weighted sum, to the values and to P; dropped pairs get nothing.
        let total = 0 // Sum of P dP, what normalising P takes off each dP.
        for (let j = 0; j < keyLength; j++) {
          if (scores[sRow + j] === -Infinity) continue // Its value may be padding, even NaN.
          const vRow = (kvHead * keyLength + j) * valueDim
          const probability = probabilities[sRow + j]!
          const weight = rules.weight(j)
          let product = 0
          for (let d = 0; d < valueDim; d++) {
            dV[vRow + d]! += weight * probability * dO[oRow + d]!
            product += dO[oRow + d]! * v[vRow + d]!
          }
          dP[j] = weight * product
          total += probability * dP[j]!
        }

        // Pass 2: back through the softmax; the sink is a score whose dP is 0.
        if (dSinks && sinks[h]! > -Infinity) {
          dSinks[h]! -= Math.exp(sinks[h]! - logSumExp[row]!) * total
        }
        for (let j = 0; j < keyLength; j++) {
          if (scores[sRow + j] === -Infinity) continue
          const dS = probabilities[sRow + j]! * (dP[j]! - total)

          // Pass 3: back through the score modifiers, then through the scaled product.
          const kRow = (kvHead * keyLength + j) * headDim
          let product = 0
          for (let d = 0; d < headDim; d++) product += q[qRow + d]! * k[kRow + d]!
          const dProduct = scale * modifiers.backward(b, h, i, j, product * scale, dS)
          for (let d = 0; d < headDim; d++) {
            dQ[qRow + d]! += dProduct * k[kRow + d]!
            dK[kRow + d]! += dProduct * q[qRow + d]!
          }
        }
      }
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
