// xPos: rotary embedding whose pairs also fade with distance, the fast ones soonest (Sun et al.,
// arXiv 2212.10554). Queries are multiplied by s^t and keys by s^-t, so that a score gets
// s^(m - n): at most 1 for keys that are not ahead of the query.
import { checkOptions, rangeError } from '@attn/core'
import type { OptionNames, RotaryEmbedding, Tensor } from '@attn/core'
import { checkPositive } from '../check-size.ts'
import { positionReader } from './positions.ts'
import type { Positions } from './positions.ts'
import { turnPairs } from './turn-pairs.ts'

/** Options of {@link rotateXPos}. */
export interface XPosOptions {
  /** Which factor the tensor gets: s^t for queries, s^-t for keys. */
  readonly side: 'query' | 'key'
  /** Offset of the first row, or explicit positions. Default: 0. */
  readonly positions?: Positions | undefined
  /** Positions over which a pair fades by one factor s. Default: 512. */
  readonly scaleBase?: number | undefined
  /**
   * Position at which nothing is scaled. Queries and keys must agree on it, cached keys included;
   * scores do not depend on it. Put it in the middle of long sequences (FlashAttention takes
   * length / 2), where the factors stay within range. Default: 0.
   */
  readonly center?: number | undefined
}

const largestValue = {
  float16: 65504,
  bfloat16: 2 ** 127,
  float32: 2 ** 127,
  float64: 2 ** 1023,
}

const xPosOptions: OptionNames<XPosOptions> = {
  side: true,
  positions: true,
  scaleBase: true,
  center: true,
}

/**
 * Turns and scales query or key heads by xPos: pair j by s_j = (2j + 0.4 d) / (1.4 d) to the power
 * of plus or minus (t - center) / scaleBase. For causal attention only: keys ahead of the query grow
 * without bound.
 *
 * @param view - `[B, H, L, D]` in any strides and dtype.
 * @throws RangeError when something does not fit, or when the factors leave the range of the dtype.
 *
 * @example
 * ```ts
 * import { zeros } from '@attn/core'
 * import { ropeFrequencies, rotateXPos } from '@attn/positions'
 * const rotary = ropeFrequencies({ headDim: 64 })
 * const query = rotateXPos(zeros([1, 4, 128, 64]), rotary, { side: 'query' })
 * query.shape // => [1, 4, 128, 64]
 * ```
 */
export function rotateXPos(view: Tensor, rotary: RotaryEmbedding, options: XPosOptions): Tensor {
  checkOptions('rotateXPos', options, xPosOptions)
  return turn('rotateXPos', view, rotary, options, 1)
}

/**
 * Gradient of {@link rotateXPos}: turned by the negative angle, scaled by the same factor.
 *
 * @example
 * ```ts
 * import { zeros } from '@attn/core'
 * import { ropeFrequencies, rotateXPosBackward } from '@attn/positions'
 * const rotary = ropeFrequencies({ headDim: 64 })
 * const gradient = rotateXPosBackward(zeros([1, 4, 128, 64]), rotary, { side: 'key' })
 * gradient.shape // => [1, 4, 128, 64]
 * ```
 */
export function rotateXPosBackward(
  gradient: Tensor,
  rotary: RotaryEmbedding,
  options: XPosOptions,
): Tensor {
  checkOptions('rotateXPosBackward', options, xPosOptions)
  return turn('rotateXPosBackward', gradient, rotary, options, -1)
}

function turn(
  caller: string,
  view: Tensor,
  rotary: RotaryEmbedding,
  options: XPosOptions,
  direction: 1 | -1,
): Tensor {
  const { side, positions = 0, scaleBase = 512, center = 0 } = options
  if (side !== 'query' && side !== 'key') {
    throw rangeError(`${caller}: side must be 'query' or 'key', got ${JSON.stringify(side)}`)
  }
  checkPositive(caller, 'scaleBase', scaleBase)
  const [batch, , length] = view.shape as [number, number, number, number]
  const { rotaryDim } = rotary
  const sign = side === 'query' ? 1 : -1
  const exponent = (position: number): number => (sign * (position - center)) / scaleBase
  const logFactor = (pair: number): number =>
    Math.log((2 * pair + 0.4 * rotaryDim) / (1.4 * rotaryDim))

  // The fastest pair fades soonest.
  const farthest = (scaleBase * Math.log(largestValue[view.dtype])) / -logFactor(0)
  const positionAt = positionReader(caller, positions, batch, length)
  for (let row = 0; row < batch * length; row++) {
    const position = positionAt(Math.floor(row / length), row % length)
    if (Math.abs(position - center) > farthest) {
      throw rangeError(
        `${caller}: ${view.dtype} holds the factors up to ${Math.floor(farthest)} positions from center ${center}, got position ${position}; move center or raise scaleBase`,
      )
    }
  }
  return turnPairs(caller, view, rotary, positions, direction, (position, pair) =>
    Math.exp(exponent(position) * logFactor(pair)),
  )
}
