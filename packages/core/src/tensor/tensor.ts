// The tensor interface all attn packages share: data plus shape plus strides, nothing more. Logical
// axes are [batch, heads, length, dim]; strides say how they lie in memory, so a
// [batch, length, heads, dim] buffer is a view of the same storage and never a copy.
import { checkOptions } from '../check-options.ts'
import type { OptionNames } from '../check-options.ts'
import { shapeError, typeError } from '../errors.ts'
import { bfloat16Bits, bfloat16Value } from './bfloat16.ts'
import { float16Bits, float16Value } from './float16.ts'

/** Element types every backend computes with. Bits of float16 and bfloat16 travel as a Uint16Array. */
export type DType = 'float32' | 'float16' | 'bfloat16'

/** Element types of CPU tensors: float64 as well, for oracles. */
export type CpuDType = DType | 'float64'

/** What a CPU tensor can keep its elements in. */
export type CpuStorage = Float32Array | Uint16Array | Float64Array

/**
 * A `Float16Array`, of any engine that has one. Named by what it has in common with the engine's, since
 * not every library of types knows it.
 */
export interface HalfPrecisionArray extends ArrayBufferView {
  readonly length: number
  readonly [Symbol.toStringTag]: 'Float16Array'
}

/** A strided view of some storage. Shape, strides and offset count elements, not bytes. */
export interface TensorLike<Storage, Type extends string = CpuDType> {
  /** Element type. */
  readonly dtype: Type
  /** Size of every axis; attention wants `[batch, heads, length, dim]`. */
  readonly shape: readonly number[]
  /** Elements between neighbours along every axis. 0 repeats one element (a broadcast). */
  readonly strides: readonly number[]
  /** Element at which the view begins. */
  readonly offset: number
  /** The memory itself, possibly shared with other views. */
  readonly storage: Storage
}

/** A tensor in CPU memory. */
export type Tensor = TensorLike<CpuStorage>

/**
 * Strides of a row-major tensor of this shape: the last axis is contiguous.
 *
 * @example
 * ```ts
 * import { contiguousStrides } from '@attn/core'
 * contiguousStrides([2, 3, 4]) // => [12, 4, 1]
 * ```
 */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis]!
  }
  return strides
}

/**
 * Number of elements a shape holds.
 *
 * @example
 * ```ts
 * import { elementCount } from '@attn/core'
 * elementCount([2, 3, 4]) // => 24
 * ```
 */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** What a tensor keeps: the array itself, or the bits of a Float16Array, in the same memory. */
function storageOf(given: CpuStorage | HalfPrecisionArray): CpuStorage {
  return isHalfPrecision(given)
    ? new Uint16Array(given.buffer, given.byteOffset, given.length)
    : given
}

// By its name: an array from another window is none of this one's classes.
function isHalfPrecision(given: CpuStorage | HalfPrecisionArray): given is HalfPrecisionArray {
  return given?.[Symbol.toStringTag] === 'Float16Array'
}

/** The dtype that a typed array's elements have in a tensor, where they may be of several as asked for. */
function dtypeOf(storage: CpuStorage, asked: CpuDType | undefined): CpuDType {
  const found = naturalType(storage)
  if (asked === undefined || asked === found) return found
  if (asked === 'bfloat16' && found === 'float16') return asked
  throw typeError(
    `tensor: a ${storage[Symbol.toStringTag]} cannot hold ${asked as string}; it is ${found}${found === 'float16' ? ' or bfloat16' : ''}`,
  )
}

function naturalType(storage: CpuStorage): CpuDType {
  if (storage instanceof Float32Array) return 'float32'
  if (storage instanceof Float64Array) return 'float64'
  if (storage instanceof Uint16Array) return 'float16'
  throw typeError(
    'tensor: storage must be a Float32Array, Float64Array, Float16Array or Uint16Array (float16 bits)',
  )
}

/**
 * New zeroed storage for `count` elements.
 *
 * @example
 * ```ts
 * import { allocate } from '@attn/core'
 * allocate('float16', 3) instanceof Uint16Array // => true
 * ```
 */
export function allocate(dtype: CpuDType, count: number): CpuStorage {
  if (dtype === 'float32') return new Float32Array(count)
  if (dtype === 'float64') return new Float64Array(count)
  return new Uint16Array(count)
}

function checkShape(caller: string, shape: readonly number[]): void {
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) {
      throw shapeError(
        `${caller}: shape must hold non-negative integers, got [${shape.join(', ')}]`,
      )
    }
  }
}

/** How a view lies in its storage; by default row-major from element 0. */
export interface TensorLayout {
  /** Elements between neighbours along every axis. Default: row-major. */
  readonly strides?: readonly number[] | undefined
  /** First element of the view. Default: 0. */
  readonly offset?: number | undefined
  /**
   * What the elements are: of a Uint16Array `bfloat16`, which it does not say of itself. Default: by the
   * storage, with float16 for a Uint16Array.
   */
  readonly dtype?: CpuDType | undefined
}

const tensorLayout: OptionNames<TensorLayout> = { strides: true, offset: true, dtype: true }

/**
 * A tensor over existing storage (no copy), checked to lie inside it.
 *
 * @param given - Float32Array, Float64Array, Float16Array, or Uint16Array of float16 bits (of bfloat16
 *   with that `dtype`). Of a Float16Array the tensor keeps the bits: its `storage` is a Uint16Array over
 *   the same memory.
 * @param shape - Size of every axis.
 * @param layout - Strides and offset in elements. Default: row-major from 0.
 * @throws TypeError for other storage, RangeError for a shape or layout that leaves the storage.
 *
 * @example
 * ```ts
 * import { tensor } from '@attn/core'
 * const query = tensor(new Float32Array(2 * 4 * 16 * 64), [2, 4, 16, 64])
 * query.strides // => [4096, 1024, 64, 1]
 * ```
 */
export function tensor(
  given: CpuStorage | HalfPrecisionArray,
  shape: readonly number[],
  layout: TensorLayout = {},
): Tensor {
  const storage = storageOf(given)
  checkOptions('tensor', layout, tensorLayout)
  const dtype = dtypeOf(storage, layout.dtype)
  checkShape('tensor', shape)
  const strides = layout.strides ?? contiguousStrides(shape)
  const offset = layout.offset ?? 0
  if (strides.length !== shape.length || !strides.every(Number.isInteger)) {
    throw shapeError(
      `tensor: strides must be one integer an axis, got [${strides.join(', ')}] for shape [${shape.join(', ')}]`,
    )
  }
  const result: Tensor = { dtype, shape: [...shape], strides: [...strides], offset, storage }
  const [first, last] = extent(result)
  if (!Number.isInteger(offset) || first < 0 || last >= storage.length) {
    throw shapeError(
      `tensor: the view spans elements ${first} to ${last}, but the storage holds ${storage.length}`,
    )
  }
  return result
}

/**
 * First and last storage element a view touches; `[offset, offset - 1]` where it is empty.
 *
 * @example
 * ```ts
 * import { extent, slice, zeros } from '@attn/core'
 * extent(slice(zeros([4, 3]), 0, 1, 3)) // => [3, 8]
 * ```
 */
export function extent(view: TensorLike<unknown, string>): [first: number, last: number] {
  if (elementCount(view.shape) === 0) return [view.offset, view.offset - 1]
  let first = view.offset
  let last = view.offset
  view.shape.forEach((size, axis) => {
    const reach = (size - 1) * view.strides[axis]!
    if (reach < 0) first += reach
    else last += reach
  })
  return [first, last]
}

/**
 * A new row-major tensor of zeros.
 *
 * @example
 * ```ts
 * import { zeros } from '@attn/core'
 * zeros([2, 3], 'float64').storage.length // => 6
 * ```
 */
export function zeros(shape: readonly number[], dtype: CpuDType = 'float32'): Tensor {
  checkShape('zeros', shape)
  return tensor(allocate(dtype, elementCount(shape)), shape, { dtype })
}

/**
 * A new row-major tensor holding `values`, rounded to `dtype`. Default dtype: float32.
 *
 * @example
 * ```ts
 * import { tensorFrom } from '@attn/core'
 * const halves = tensorFrom([1, 2, 3, 4], [2, 2], 'float16')
 * halves.storage[0] // => 0x3c00
 * ```
 */
export function tensorFrom(
  values: ArrayLike<number>,
  shape: readonly number[],
  dtype: CpuDType = 'float32',
): Tensor {
  checkShape('tensorFrom', shape)
  if (values.length !== elementCount(shape)) {
    throw shapeError(
      `tensorFrom: shape [${shape.join(', ')}] needs ${elementCount(shape)} values, got ${values.length}`,
    )
  }
  const result = zeros(shape, dtype)
  const write = elementWriter(result)
  for (let i = 0; i < values.length; i++) write(i, values[i]!)
  return result
}

/**
 * Reads storage elements as numbers whatever the dtype: `reader(t)(storageIndex)`.
 *
 * @example
 * ```ts
 * import { elementReader, tensorFrom } from '@attn/core'
 * const read = elementReader(tensorFrom([1, 2.5], [2], 'float16'))
 * read(1) // => 2.5
 * ```
 */
export function elementReader(view: Tensor): (index: number) => number {
  const { storage } = view
  if (view.dtype === 'float16') return (index) => float16Value(storage[index]!)
  if (view.dtype === 'bfloat16') return (index) => bfloat16Value(storage[index]!)
  return (index) => storage[index]!
}

/**
 * Writes storage elements from numbers, rounding to the dtype: `writer(t)(storageIndex, value)`.
 *
 * @example
 * ```ts
 * import { elementWriter, zeros } from '@attn/core'
 * const view = zeros([2], 'float16')
 * elementWriter(view)(1, -2)
 * view.storage[1] // => 0xc000
 * ```
 */
export function elementWriter(view: Tensor): (index: number, value: number) => void {
  const { storage } = view
  if (view.dtype === 'float16') {
    return (index, value) => {
      storage[index] = float16Bits(value)
    }
  }
  if (view.dtype === 'bfloat16') {
    return (index, value) => {
      storage[index] = bfloat16Bits(value)
    }
  }
  return (index, value) => {
    storage[index] = value
  }
}
