// Whether a tensor is one: whether what it says of itself holds of its storage. Plain data comes from
// anywhere, and a part that contradicts another would be read as numbers that nobody wrote.
import { shapeError, typeError } from '../errors.ts'
import { elementCount, extent } from './tensor.ts'
import type { CpuDType, Tensor } from './tensor.ts'

/** What the elements of each type are kept in. */
const storageOf: Readonly<Record<CpuDType, string>> = {
  float32: 'Float32Array',
  float64: 'Float64Array',
  float16: 'Uint16Array',
  bfloat16: 'Uint16Array',
}

/**
 * Checks tensors in CPU memory.
 *
 * @param tensors - With what the caller calls them.
 * @throws TypeError for what is no tensor, an unknown dtype, or storage that does not hold it; RangeError
 *   for strides and offsets that are no whole numbers, and for a view that leaves its storage.
 *
 * @example
 * ```ts
 * import { checkTensors, zeros } from '@attn/core'
 * const wrong = { ...zeros([2, 3]), shape: [2, 4] }
 * checkTensors('sum', { values: wrong }) // => throws RangeError: sum: values spans elements 0 to 6, but its storage holds 6
 * ```
 */
export function checkTensors(caller: string, tensors: Readonly<Record<string, Tensor>>): void {
  for (const [name, view] of Object.entries(tensors)) {
    if (typeof view !== 'object' || view === null || !ArrayBuffer.isView(view.storage)) {
      const got = typeof view === 'object' && view ? 'one without a typed array' : String(view)
      throw typeError(
        `${caller}: ${name} must be a tensor, which tensor(values, shape) makes, got ${got}`,
      )
    }
    const { dtype, shape, storage } = view
    if (!Object.hasOwn(storageOf, dtype)) {
      throw typeError(
        `${caller}: ${name} must be float32, float16, bfloat16 or float64, got ${dtype as string}`,
        'ATTN_DTYPE',
      )
    }
    // By its name: an array from another window is none of this one's classes.
    const kind = storage[Symbol.toStringTag]
    if (kind !== storageOf[dtype]) {
      throw typeError(
        `${caller}: ${name} is ${dtype}, so its storage must be a ${storageOf[dtype]}, got a ${kind}${(kind as string) === 'Float16Array' ? '; tensor(values, shape) takes one' : ''}`,
        'ATTN_DTYPE',
      )
    }
    checkView(`${caller}: ${name}`, view)
    const [first, last] = extent(view)
    if (elementCount(shape) > 0 && (first < 0 || last >= storage.length)) {
      const detached = storage.buffer.byteLength === 0 ? ' (was its buffer transferred?)' : ''
      throw shapeError(
        `${caller}: ${name} spans elements ${first} to ${last}, but its storage holds ${storage.length}${detached}`,
      )
    }
  }
}

/**
 * Checks that shape, strides and offset are whole numbers and fit one another.
 *
 * @param what - The tensor, as a message is to call it.
 * @throws TypeError where shape or strides are no lists, RangeError for numbers that do not fit.
 *
 * @example
 * ```ts
 * import { checkView, zeros } from '@attn/core'
 * checkView('sum: values', { ...zeros([2, 3]), strides: [3] }) // => throws RangeError: sum: values needs one whole stride for each axis of [2, 3] and a whole offset, got strides [3] and offset 0
 * ```
 */
export function checkView(what: string, view: Pick<Tensor, 'shape' | 'strides' | 'offset'>): void {
  const { shape, strides, offset } = view
  if (!Array.isArray(shape) || !Array.isArray(strides)) {
    throw typeError(`${what} must have lists of numbers as shape and strides`)
  }
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw shapeError(
      `${what} must have whole numbers of at least 0 as shape, got [${shape.join(', ')}]`,
    )
  }
  if (strides.length !== shape.length || ![...strides, offset].every(Number.isSafeInteger)) {
    throw shapeError(
      `${what} needs one whole stride for each axis of [${shape.join(', ')}] and a whole offset, got strides [${strides.join(', ')}] and offset ${offset}`,
    )
  }
}

/**
 * Whether no element of a view lies where another does, so that it can be written.
 *
 * @example
 * ```ts
 * import { isWritable, zeros } from '@attn/core'
 * isWritable(zeros([2, 3])) // => true
 * isWritable({ ...zeros([2, 3]), strides: [0, 1] }) // => false
 * ```
 */
export function isWritable({ shape, strides }: Pick<Tensor, 'shape' | 'strides'>): boolean {
  if (elementCount(shape) === 0) return true
  let reach = 0
  return shape
    .map((size, axis) => ({ size, step: Math.abs(strides[axis]!) }))
    .filter(({ size }) => size > 1)
    .toSorted((a, b) => a.step - b.step)
    .every(({ size, step }) => {
      const apart = step > reach
      reach += (size - 1) * step
      return apart
    })
}
