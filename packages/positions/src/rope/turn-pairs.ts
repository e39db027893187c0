// The loop that every rotary method shares: each pair of elements of a head vector is turned in its
// plane and scaled, at the angle its row's position asks for.
import {
  contiguousStrides,
  elementReader,
  elementWriter,
  rangeError,
  shapeError,
  zeros,
} from '@attn/core'
import type { RotaryEmbedding, RotaryLayout, Tensor } from '@attn/core'
import { positionReader } from './positions.ts'
import type { Positions } from './positions.ts'

/** The two elements of pair j, as indices into a head vector. */
export function pairElements(
  layout: RotaryLayout,
  rotaryDim: number,
  pair: number,
): [first: number, second: number] {
  return layout === 'half' ? [pair, pair + rotaryDim / 2] : [2 * pair, 2 * pair + 1]
}

/**
 * Checks a rotary embedding.
 *
 * @throws RangeError when its parts do not fit one another.
 */
export function checkRotary(caller: string, rotary: RotaryEmbedding): void {
  const { inverseFrequencies, attentionFactor, layout, rotaryDim } = rotary
  if (!Number.isInteger(rotaryDim) || rotaryDim < 0 || rotaryDim % 2 !== 0) {
    throw rangeError(`${caller}: rotaryDim must be even, got ${rotaryDim}`)
  }
  if (inverseFrequencies?.length !== rotaryDim / 2) {
    throw rangeError(
      `${caller}: need rotaryDim / 2 = ${rotaryDim / 2} inverseFrequencies, got ${inverseFrequencies?.length}`,
    )
  }
  if (layout !== 'half' && layout !== 'interleaved') {
    throw rangeError(
      `${caller}: layout must be 'half' or 'interleaved', got ${JSON.stringify(layout)}`,
    )
  }
  if (!Number.isFinite(attentionFactor)) {
    throw rangeError(`${caller}: attentionFactor must be a finite number, got ${attentionFactor}`)
  }
}

/**
 * A new row-major tensor in which pair j of a row at position m is turned by
 * `direction * m * inverseFrequencies[j]` and multiplied by `attentionFactor * pairScale(m, j)`.
 * Angles, cosines and products are float64.
 */
export function turnPairs(
  caller: string,
  view: Tensor,
  rotary: RotaryEmbedding,
  positions: Positions,
  direction: 1 | -1,
  pairScale: (position: number, pair: number) => number = () => 1,
): Tensor {
  checkRotary(caller, rotary)
  if (view.shape.length !== 4) {
    throw shapeError(
      `${caller}: need shape [batch, heads, length, dim], got [${view.shape.join(', ')}]`,
    )
  }
  const [batch, heads, length, dim] = view.shape as [number, number, number, number]
  const { inverseFrequencies, attentionFactor, layout, rotaryDim } = rotary
  if (rotaryDim > dim) {
    throw rangeError(`${caller}: rotaryDim must be at most the head's ${dim}, got ${rotaryDim}`)
  }
  const positionAt = positionReader(caller, positions, batch, length)

  const result = zeros(view.shape, view.dtype)
  const read = elementReader(view)
  const write = elementWriter(result)
  const [batchStride, headStride, rowStride, stride] = view.strides as [
    number,
    number,
    number,
    number,
  ]
  const outStrides = contiguousStrides(view.shape)
  const pairs = Array.from({ length: rotaryDim / 2 }, (_, pair) =>
    pairElements(layout, rotaryDim, pair),
  )
  const cosines = new Float64Array(pairs.length)
  const sines = new Float64Array(pairs.length)

  for (let sequence = 0; sequence < batch; sequence++) {
    for (let row = 0; row < length; row++) {
      const position = positionAt(sequence, row)
      for (let pair = 0; pair < pairs.length; pair++) {
        const angle = position * inverseFrequencies[pair]!
        const scale = attentionFactor * pairScale(position, pair)
        cosines[pair] = Math.cos(angle) * scale
        sines[pair] = Math.sin(angle) * scale * direction
      }
      for (let head = 0; head < heads; head++) {
        const from = view.offset + sequence * batchStride + head * headStride + row * rowStride
        const to = sequence * outStrides[0]! + head * outStrides[1]! + row * dim
        for (let pair = 0; pair < pairs.length; pair++) {
          const [first, second] = pairs[pair]!
          const x = read(from + first * stride)
          const y = read(from + second * stride)
          write(to + first, x * cosines[pair]! - y * sines[pair]!)
          write(to + second, x * sines[pair]! + y * cosines[pair]!)
        }
        for (let element = rotaryDim; element < dim; element++) {
          write(to + element, read(from + element * stride))
        }
      }
    }
  }
  return result
}
