// Applying a rotary embedding (arXiv 2104.09864): each pair of elements is a point in the plane,
// turned by an angle proportional to its position. Scores then depend on distances alone, because
// turning the query by m and the key by n is turning one of them by m - n.
import { contiguousStrides, elementReader, elementWriter, zeros } from '@attn/core'
import type { RotaryEmbedding, RotaryLayout, Tensor } from '@attn/core'
import { positionReader } from './positions.ts'
import type { Positions } from './positions.ts'

/** Where the rows of the tensor stand. */
export interface RotateOptions {
  /** Offset of the first row, or explicit positions; see {@link Positions}. Default: 0. */
  readonly positions?: Positions
}

/**
 * Turns query or key heads by their positions.
 *
 * @param view - `[B, H, L, D]` in any strides and dtype.
 * @param rotary - From `ropeFrequencies`, or any {@link RotaryEmbedding}.
 * @returns A new row-major tensor of the same shape and dtype, computed in float64.
 * @throws RangeError when shape, frequencies or positions do not fit one another.
 *
 * @example
 * ```ts
 * import { tensorFrom } from '@attn/core'
 * import { ropeFrequencies, rotate } from '@attn/positions'
 * const rotary = ropeFrequencies({ headDim: 2 })
 * const query = tensorFrom([1, 0, 1, 0], [1, 1, 2, 2], 'float64')
 * const turned = rotate(query, rotary, { positions: [0, Math.PI / 2] })
 * Array.from(turned.storage, Math.round) // => [1, 0, 0, 1]
 * ```
 */
export function rotate(view: Tensor, rotary: RotaryEmbedding, options: RotateOptions = {}): Tensor {
  return turn('rotate', view, rotary, options, 1)
}

/**
 * Gradient of {@link rotate}: from the gradient of the rotated tensor to that of its input. It is
 * the rotation by the negative angle, times the same `attentionFactor` (the adjoint; it is the
 * inverse only where that factor is 1).
 *
 * @param gradient - `[B, H, L, D]`: gradient of the output of `rotate`.
 * @throws RangeError as `rotate` does.
 */
export function rotateBackward(
  gradient: Tensor,
  rotary: RotaryEmbedding,
  options: RotateOptions = {},
): Tensor {
  return turn('rotateBackward', gradient, rotary, options, -1)
}

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
    throw new RangeError(`${caller}: rotaryDim must be even, got ${rotaryDim}`)
  }
  if (inverseFrequencies?.length !== rotaryDim / 2) {
    throw new RangeError(
      `${caller}: need rotaryDim / 2 = ${rotaryDim / 2} inverseFrequencies, got ${inverseFrequencies?.length}`,
    )
  }
  if (layout !== 'half' && layout !== 'interleaved') {
    throw new RangeError(
      `${caller}: layout must be 'half' or 'interleaved', got ${JSON.stringify(layout)}`,
    )
  }
  if (!Number.isFinite(attentionFactor)) {
    throw new RangeError(
      `${caller}: attentionFactor must be a finite number, got ${attentionFactor}`,
    )
  }
}

function turn(
  caller: string,
  view: Tensor,
  rotary: RotaryEmbedding,
  options: RotateOptions,
  direction: 1 | -1,
): Tensor {
  checkRotary(caller, rotary)
  if (view.shape.length !== 4) {
    throw new RangeError(
      `${caller}: need shape [batch, heads, length, dim], got [${view.shape.join(', ')}]`,
    )
  }
  const [batch, heads, length, dim] = view.shape as [number, number, number, number]
  const { inverseFrequencies, attentionFactor, layout, rotaryDim } = rotary
  if (rotaryDim > dim) {
    throw new RangeError(`${caller}: rotaryDim must be at most the head's ${dim}, got ${rotaryDim}`)
  }
  const positionAt = positionReader(caller, options.positions ?? 0, batch, length)

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
        cosines[pair] = Math.cos(angle) * attentionFactor
        sines[pair] = Math.sin(angle) * attentionFactor * direction
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
