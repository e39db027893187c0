// Applying a rotary embedding (arXiv 2104.09864): each pair of elements is a point in the plane,
// turned by an angle proportional to its position. Scores then depend on distances alone, because
// turning the query by m and the key by n is turning one of them by m - n.
import { checkOptions } from '@attn/core'
import type { OptionNames, RotaryEmbedding, Tensor } from '@attn/core'
import type { Positions } from './positions.ts'
import { turnPairs } from './turn-pairs.ts'

/** Where the rows of the tensor stand. */
export interface RotateOptions {
  /** Offset of the first row, or explicit positions; see {@link Positions}. Default: 0. */
  readonly positions?: Positions | undefined
}

const rotateOptions: OptionNames<RotateOptions> = { positions: true }

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
  checkOptions('rotate', options, rotateOptions)
  return turnPairs('rotate', view, rotary, options.positions ?? 0, 1)
}

/**
 * Gradient of {@link rotate}: from the gradient of the rotated tensor to that of its input. It is
 * the rotation by the negative angle, times the same `attentionFactor` (the adjoint; it is the
 * inverse only where that factor is 1).
 *
 * @param gradient - `[B, H, L, D]`: gradient of the output of `rotate`.
 * @throws RangeError as `rotate` does.
 *
 * @example
 * ```ts
 * import { tensorFrom } from '@attn/core'
 * import { ropeFrequencies, rotate, rotateBackward } from '@attn/positions'
 * const rotary = ropeFrequencies({ headDim: 2 })
 * const x = tensorFrom([1, 0, 1, 0], [1, 1, 2, 2], 'float64')
 * Array.from(rotateBackward(rotate(x, rotary), rotary).storage, Math.round) // => [1, 0, 1, 0]
 * ```
 */
export function rotateBackward(
  gradient: Tensor,
  rotary: RotaryEmbedding,
  options: RotateOptions = {},
): Tensor {
  checkOptions('rotateBackward', options, rotateOptions)
  return turnPairs('rotateBackward', gradient, rotary, options.positions ?? 0, -1)
}
