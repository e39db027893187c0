// Rotation from its definition, in float64: what the kernel is held to, and a plain float32 program as
// the yardstick for its error.
import {
  bfloat16Bits,
  bfloat16Value,
  float16Bits,
  float16Value,
  tensorFrom,
  toFloat64Array,
} from '@attn/core'
import type { CpuDType, RotaryEmbedding, RotaryLayout, Tensor } from '@attn/core'

/** A plain rotary embedding with the usual frequencies. */
export function rotaryEmbedding(
  rotaryDim: number,
  layout: RotaryLayout = 'half',
  more: Partial<RotaryEmbedding> = {},
): RotaryEmbedding {
  const inverseFrequencies = Array.from(
    { length: rotaryDim / 2 },
    (_, pair) => 10000 ** ((-2 * pair) / rotaryDim),
  )
  return { inverseFrequencies, attentionFactor: 1, layout, rotaryDim, ...more }
}

type Rounding = (value: number) => number

/** How a program stores numbers. */
export const roundings: Readonly<Record<CpuDType, Rounding>> = {
  float64: (value) => value,
  float32: Math.fround,
  float16: (value) => float16Value(float16Bits(value)),
  bfloat16: (value) => bfloat16Value(bfloat16Bits(value)),
}

/**
 * Turns a tensor `[B, H, L, D]`; `positionAt` says where a row stands. Cosines, sines and products are
 * float64, or rounded to float32 in a plain program, whose result is stored with `store`.
 */
export function rotateByDefinition(
  view: Tensor,
  rotary: RotaryEmbedding,
  positionAt: (sequence: number, row: number) => number,
  direction: 1 | -1 = 1,
  { compute = roundings.float64, store = roundings.float64 } = {},
): Tensor {
  const [batch, heads, length, dim] = view.shape as [number, number, number, number]
  const { rotaryDim, layout, inverseFrequencies, attentionFactor } = rotary
  const values = toFloat64Array(view)
  const result = values.slice()
  for (let row = 0; row < batch * heads * length; row++) {
    const position = positionAt(Math.floor(row / (heads * length)), row % length)
    for (let pair = 0; pair < rotaryDim / 2; pair++) {
      const [first, second] =
        layout === 'half' ? [pair, pair + rotaryDim / 2] : [2 * pair, 2 * pair + 1]
      const angle = direction * position * inverseFrequencies[pair]!
      const cosine = compute(attentionFactor * Math.cos(angle))
      const sine = compute(attentionFactor * Math.sin(angle))
      const [x, y] = [values[row * dim + first]!, values[row * dim + second]!]
      result[row * dim + first] = store(compute(compute(x * cosine) - compute(y * sine)))
      result[row * dim + second] = store(compute(compute(x * sine) + compute(y * cosine)))
    }
  }
  return tensorFrom(result, view.shape, 'float64')
}
