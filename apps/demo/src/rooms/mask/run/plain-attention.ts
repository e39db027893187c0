// Attention as one would write it without care, rounded after every step to the precision of its
// inputs: the yardstick for the error of a fast kernel (FlashAttention, arXiv 2205.14135, and its
// tests).
import {
  attentionShape,
  compile,
  float16Bits,
  float16Value,
  resolveOptions,
  type AttentionOptions,
  type CpuDType,
  type Tensor,
} from '@attn/core'

/**
 * Plain attention of row-major float64 tensors that hold numbers of `dtype`. Sums run in float32, as
 * matrix units do; scores, probabilities and outputs are rounded to `dtype`.
 *
 * @returns The output `[B, H, L, Dv]`, row-major.
 */
export function plainAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions,
  dtype: CpuDType,
): Float64Array {
  const shape = attentionShape('plainAttention', query, key, value)
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const resolved = resolveOptions('plainAttention', shape, options)
  const allows = resolved.mask ? compile(resolved.mask.expression, resolved) : () => 1
  const modifiers = resolved.scoreModifiers.map(({ expression }) => compile(expression, resolved))
  const single = Math.fround
  const round =
    dtype === 'float16' ? (x: number): number => float16Value(float16Bits(x)) : Math.fround

  const output = new Float64Array(batch * heads * queryLength * valueDim)
  const weights = new Float64Array(keyLength)
  const point = {
    batch: 0,
    head: 0,
    heads,
    query: 0,
    queryIndex: 0,
    key: 0,
    queryLength,
    keyLength,
    score: 0,
  }
  for (let row = 0; row < batch * heads * queryLength; row++) {
    point.batch = Math.floor(row / (heads * queryLength))
    point.head = Math.floor(row / queryLength) % heads
    point.queryIndex = row % queryLength
    point.query = resolved.queryOffsets[point.batch]! + point.queryIndex
    const kvHead = point.batch * kvHeads + Math.floor((point.head * kvHeads) / heads)

    let maximum = -Infinity
    for (let j = 0; j < keyLength; j++) {
      point.key = j
      weights[j] = -Infinity
      if (!allows(point)) continue
      let product = 0
      for (let d = 0; d < headDim; d++) {
        const q = query.storage[row * headDim + d]!
        const k = key.storage[(kvHead * keyLength + j) * headDim + d]!
        product = single(product + single(q * k))
      }
      point.score = round(single(product * single(resolved.scale)))
      for (const modifier of modifiers) point.score = round(modifier(point))
      weights[j] = point.score
      maximum = Math.max(maximum, point.score)
    }
    if (maximum === -Infinity) continue

    let sum = 0
    for (let j = 0; j < keyLength; j++) {
      weights[j] = single(Math.exp(single(weights[j]! - maximum)))
      sum = single(sum + weights[j]!)
    }
    for (let j = 0; j < keyLength; j++) weights[j] = round(weights[j]! / sum)
    for (let d = 0; d < valueDim; d++) {
      let total = 0
      for (let j = 0; j < keyLength; j++) {
        const v = value.storage[(kvHead * keyLength + j) * valueDim + d]!
        total = single(total + single(weights[j]! * v))
      }
      output[row * valueDim + d] = round(total)
    }
  }
  return output
}
