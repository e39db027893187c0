// Attention sinks: a logit a head that joins the softmax without a value, so that a head can attend
// to nothing. Learned in gpt-oss (arXiv 2508.10925); a fixed 0 is "off by one" softmax. Equal to one
// more key whose value is 0, without the key.
import { rangeError, shapeError, typeError } from '../errors.ts'
import { toFloat64Array } from '../tensor/layout.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** One logit for each query head: `[H]`. -Infinity for none. */
export type Sinks = Tensor | ArrayLike<number>

/**
 * Checks sinks and copies them to float64.
 *
 * @throws RangeError when there is not one for each head, or one is NaN or Infinity.
 */
export function resolveSinks(
  caller: string,
  heads: number,
  sinks: Sinks | undefined,
): Float64Array | undefined {
  if (sinks === undefined) return undefined
  if (typeof sinks !== 'object' || sinks === null) {
    throw typeError(`${caller}: sinks must be a list of numbers or a tensor, got ${String(sinks)}`)
  }
  const shape = 'storage' in sinks ? sinks.shape : [sinks.length]
  if (shape.length !== 1 || shape[0] !== heads) {
    throw shapeError(
      `${caller}: sinks must be one number for each of ${heads} query heads, got shape [${shape.join(', ')}]`,
    )
  }
  const values = 'storage' in sinks ? toFloat64Array(sinks) : Float64Array.from(sinks)
  const wrong = values.find((value) => !(value < Infinity))
  if (wrong !== undefined) {
    throw rangeError(`${caller}: sinks must be numbers or -Infinity, got ${wrong}`)
  }
  return values
}
