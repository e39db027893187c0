// Query, key and value of a run: normal numbers from a seed, so that every run sees the same.
import { cast, tensor, type AttentionShape, type DType, type Tensor } from '@attn/core'

/** Standard normal numbers. */
export function normalNumbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count)
  let state = seed | 0
  // Mulberry32: small, fast, and more than random enough for a demonstration.
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
    const angle = 2 * Math.PI * uniform()
    values[i] = radius * Math.cos(angle)
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle)
  }
  return values
}

export interface Inputs {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
}

export function randomInputs(shape: AttentionShape, dtype: DType): Inputs {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const random = (sizes: readonly number[], seed: number): Tensor => {
    const count = sizes.reduce((product, size) => product * size, 1)
    const exact = tensor(normalNumbers(count, seed), sizes)
    return dtype === 'float32' ? exact : cast(exact, dtype)
  }
  return {
    query: random([batch, heads, queryLength, headDim], 1),
    key: random([batch, kvHeads, keyLength, headDim], 2),
    value: random([batch, kvHeads, keyLength, valueDim], 3),
  }
}
