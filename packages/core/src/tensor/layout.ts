// Views: the same storage under another shape. Nothing here copies, apart from the functions that
// say so (`toContiguous`, `cast`, `toFloat64Array`).
import { shapeError } from '../errors.ts'
import {
  allocate,
  contiguousStrides,
  elementCount,
  elementReader,
  elementWriter,
} from './tensor.ts'
import type { CpuDType, Tensor, TensorLike } from './tensor.ts'

/**
 * The same elements with axes in another order.
 *
 * @param axes - For every axis of the result, which axis of `view` it is.
 * @throws RangeError when `axes` is not a permutation.
 *
 * @example
 * ```ts
 * import { permute, tensor } from '@attn/core'
 * // [batch, length, heads, dim], as JAX and FlashAttention lay it out, seen as [batch, heads, length, dim]
 * const view = permute(tensor(new Float32Array(2 * 16 * 4 * 8), [2, 16, 4, 8]), [0, 2, 1, 3])
 * view.shape // => [2, 4, 16, 8]
 * view.strides // => [512, 8, 32, 1]
 * ```
 */
export function permute<T extends TensorLike<unknown, string>>(
  view: T,
  axes: readonly number[],
): T {
  const rank = view.shape.length
  if (
    axes.length !== rank ||
    new Set(axes).size !== rank ||
    axes.some((axis) => !(axis in view.shape))
  ) {
    throw shapeError(
      `permute: axes must be a permutation of 0..${rank - 1}, got [${axes.join(', ')}]`,
    )
  }
  return {
    ...view,
    shape: axes.map((axis) => view.shape[axis]!),
    strides: axes.map((axis) => view.strides[axis]!),
  }
}

/**
 * The elements `start <= index < end` along one axis, as a view.
 *
 * @throws RangeError when the range leaves the axis.
 *
 * @example
 * ```ts
 * import { slice, tensorFrom, toFloat64Array } from '@attn/core'
 * const matrix = tensorFrom([1, 2, 3, 4, 5, 6], [2, 3])
 * Array.from(toFloat64Array(slice(matrix, 1, 1, 3))) // => [2, 3, 5, 6]
 * ```
 */
export function slice<T extends TensorLike<unknown, string>>(
  view: T,
  axis: number,
  start: number,
  end: number,
): T {
  const size = view.shape[axis]
  if (
    size === undefined ||
    !Number.isInteger(start) ||
    !Number.isInteger(end) ||
    !(0 <= start && start <= end && end <= size)
  ) {
    throw shapeError(
      `slice: need 0 <= start <= end <= ${size} on axis ${axis}, got ${start}..${end}`,
    )
  }
  return {
    ...view,
    shape: view.shape.map((value, index) => (index === axis ? end - start : value)),
    offset: view.offset + start * view.strides[axis]!,
  }
}

/**
 * A view in which axes of size 1 repeat to the size asked for (stride 0), as in NumPy.
 *
 * @throws RangeError when an axis is neither 1 nor already that size.
 *
 * @example
 * ```ts
 * import { expand, tensorFrom, toFloat64Array } from '@attn/core'
 * Array.from(toFloat64Array(expand(tensorFrom([1, 2], [1, 2]), [2, 2]))) // => [1, 2, 1, 2]
 * ```
 */
export function expand<T extends TensorLike<unknown, string>>(
  view: T,
  shape: readonly number[],
): T {
  const fits =
    shape.length === view.shape.length &&
    view.shape.every((size, axis) => size === 1 || size === shape[axis])
  if (!fits) {
    throw shapeError(
      `expand: cannot repeat [${view.shape.join(', ')}] to [${shape.join(', ')}]: an axis must be 1 or equal`,
    )
  }
  return {
    ...view,
    shape: [...shape],
    strides: view.strides.map((stride, axis) => (view.shape[axis] === shape[axis] ? stride : 0)),
  }
}

/**
 * Whether the view is row-major without gaps (axes of size 1 may have any stride).
 *
 * @example
 * ```ts
 * import { isContiguous, permute, zeros } from '@attn/core'
 * isContiguous(zeros([2, 3])) // => true
 * isContiguous(permute(zeros([2, 3]), [1, 0])) // => false
 * ```
 */
export function isContiguous(view: TensorLike<unknown, string>): boolean {
  const expected = contiguousStrides(view.shape)
  return (
    elementCount(view.shape) === 0 ||
    view.shape.every((size, axis) => size === 1 || view.strides[axis] === expected[axis])
  )
}

/**
 * Calls `visit` with the storage index of every element, in row-major order.
 *
 * @example
 * ```ts
 * import { forEachIndex, permute, zeros } from '@attn/core'
 * const places: number[] = []
 * forEachIndex(permute(zeros([2, 3]), [1, 0]), (index) => places.push(index))
 * places // => [0, 3, 1, 4, 2, 5]
 * ```
 */
export function forEachIndex(
  view: TensorLike<unknown, string>,
  visit: (storageIndex: number, position: number) => void,
): void {
  const { shape, strides } = view
  const rank = shape.length
  const count = elementCount(shape)
  const counter = new Array<number>(rank).fill(0)
  let index = view.offset
  for (let position = 0; position < count; position++) {
    visit(index, position)
    for (let axis = rank - 1; axis >= 0; axis--) {
      counter[axis]!++
      index += strides[axis]!
      if (counter[axis]! < shape[axis]!) break
      index -= counter[axis]! * strides[axis]!
      counter[axis] = 0
    }
  }
}

/**
 * A row-major copy with elements of another type (rounded to nearest).
 *
 * @example
 * ```ts
 * import { cast, tensorFrom } from '@attn/core'
 * cast(tensorFrom([1, 2], [2]), 'float16').storage[1] // => 0x4000
 * ```
 */
export function cast(view: Tensor, dtype: CpuDType): Tensor {
  const storage = allocate(dtype, elementCount(view.shape))
  const result: Tensor = {
    dtype,
    shape: view.shape,
    strides: contiguousStrides(view.shape),
    offset: 0,
    storage,
  }
  if (dtype === view.dtype) {
    // Bit by bit: NaN of float16 has many patterns, of which numbers keep one.
    forEachIndex(view, (index, position) => (storage[position] = view.storage[index]!))
    return result
  }
  const read = elementReader(view)
  const write = elementWriter(result)
  forEachIndex(view, (index, position) => write(position, read(index)))
  return result
}

/**
 * The view itself where it is row-major already and starts at 0, else a row-major copy.
 *
 * @example
 * ```ts
 * import { permute, tensorFrom, toContiguous } from '@attn/core'
 * const turned = permute(tensorFrom([1, 2, 3, 4], [2, 2]), [1, 0])
 * Array.from(toContiguous(turned).storage) // => [1, 3, 2, 4]
 * ```
 */
export function toContiguous(view: Tensor): Tensor {
  return isContiguous(view) && view.offset === 0 ? view : cast(view, view.dtype)
}

/**
 * All elements as float64 in row-major order (a copy).
 *
 * @example
 * ```ts
 * import { tensorFrom, toFloat64Array } from '@attn/core'
 * Array.from(toFloat64Array(tensorFrom([1, 2], [2], 'float16'))) // => [1, 2]
 * ```
 */
export function toFloat64Array(view: Tensor): Float64Array {
  return cast(view, 'float64').storage as Float64Array
}
