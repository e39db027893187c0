// The GPU side of the shared tensor interface: the same shape, strides and offset over a GPUBuffer.
import {
  checkOptions,
  contiguousStrides,
  extent,
  rangeError,
  shapeError,
  typeError,
} from '@attn/core'
import type { DType, OptionNames, TensorLike } from '@attn/core'

/** A tensor in a GPUBuffer (usage STORAGE). Strides and offset count elements. */
export type GpuTensor = TensorLike<GPUBuffer, DType>

/** Bytes of one element. */
export function elementBytes(dtype: DType): number {
  return dtype === 'float32' ? 4 : 2
}

/** Whether something names an element type. */
export function isDType(name: unknown): name is DType {
  return name === 'float32' || name === 'float16' || name === 'bfloat16'
}

/** How a tensor lies in a buffer. */
export interface GpuTensorOptions {
  /** Element type. Default: float32. */
  readonly dtype?: DType | undefined
  /** Elements between neighbours along every axis. Default: row-major. */
  readonly strides?: readonly number[] | undefined
  /** First element, from where the buffer (or what is bound of it) begins. Default: 0. */
  readonly offset?: number | undefined
  /**
   * With a shape `[batch, length, heads * dim]`, as models have before they split heads: how many there
   * are. The tensor is then `[batch, heads, length, dim]`.
   */
  readonly heads?: number | undefined
}

const gpuTensorOptions: OptionNames<GpuTensorOptions> = {
  dtype: true,
  strides: true,
  offset: true,
  heads: true,
}

/**
 * A GpuTensor over an existing buffer, such as another library's. Nothing is copied, and the buffer
 * stays its owner's.
 *
 * @param buffer - With usage STORAGE (and COPY_SRC where it is to be downloaded). Where a tensor has a
 *   part of one, `{ buffer, offset, size }` with offset and size in bytes, as WebGPU binds it.
 * @param shape - Size of every axis, `[batch, heads, length, dim]` for attention; with `heads`,
 *   `[batch, length, heads * dim]`.
 * @throws RangeError when the view leaves the buffer or heads do not divide it, TypeError when there is
 *   no buffer.
 *
 * @example
 * ```ts
 * import { createFlashAttention, gpuTensor } from '@attn/webgpu-flash'
 *
 * const flash = await createFlashAttention()
 * // What another library computed: query, key and value of 2 heads, packed by token.
 * const [length, heads, dim] = [100, 2, 64]
 * const packed = flash.device.createBuffer({
 *   size: length * 3 * heads * dim * 4,
 *   usage: GPUBufferUsage.STORAGE,
 * })
 * const view = (part: number) =>
 *   gpuTensor(packed, [1, heads, length, dim], {
 *     strides: [0, dim, 3 * heads * dim, 1],
 *     offset: part * heads * dim,
 *   })
 * const plan = flash.plan({ heads, queryLength: length, headDim: dim })
 * const { output } = plan.forward({ query: view(0), key: view(1), value: view(2) })
 * output.shape // => [1, 2, 100, 64]
 * flash.destroy()
 * ```
 */
export function gpuTensor(
  buffer: GPUBuffer | GPUBufferBinding,
  shape: readonly number[],
  options: GpuTensorOptions = {},
): GpuTensor {
  checkOptions('gpuTensor', options, gpuTensorOptions)
  const { dtype = 'float32', offset = 0, heads } = options
  if (!isDType(dtype)) {
    throw typeError(
      `gpuTensor: dtype must be float32, float16 or bfloat16, got ${String(dtype)}`,
      'ATTN_DTYPE',
    )
  }
  if (!Array.isArray(shape)) {
    throw typeError(`gpuTensor: shape must be a list of sizes, got ${String(shape)}`)
  }
  if (shape.some((size) => !Number.isInteger(size) || size < 0)) {
    throw shapeError(`gpuTensor: shape must be whole numbers, got [${shape.join(', ')}]`)
  }
  const { strides = contiguousStrides(shape) } = options
  if (strides.length !== shape.length || ![...strides, offset].every(Number.isInteger)) {
    throw shapeError(
      `gpuTensor: need a whole stride for each of ${shape.length} axes and a whole offset, got strides [${strides.join(', ')}] and offset ${offset}`,
    )
  }
  const { storage, start, end } = boundPart(buffer)
  const bytes = elementBytes(dtype)
  if (start % bytes !== 0) {
    throw shapeError(
      `gpuTensor: a buffer's offset must be a whole number of ${bytes}-byte elements, got ${start} bytes`,
    )
  }
  const view = { dtype, shape: [...shape], strides: [...strides], offset, storage }
  const [first, last] = extent(view)
  if (first < 0 || (last + 1) * bytes > end - start) {
    throw shapeError(
      `gpuTensor: elements ${first} to ${last} of ${dtype} leave the buffer of ${end - start} bytes`,
    )
  }
  const placed = { ...view, offset: offset + start / bytes }
  return heads === undefined ? placed : splitHeads(placed, heads)
}

/** The buffer, and the bytes of it that count. */
function boundPart(buffer: GPUBuffer | GPUBufferBinding): {
  readonly storage: GPUBuffer
  readonly start: number
  readonly end: number
} {
  const binding = typeof (buffer as GPUBufferBinding | null)?.buffer === 'object'
  const {
    buffer: storage,
    offset: start = 0,
    size,
  } = binding ? (buffer as GPUBufferBinding) : { buffer: buffer as GPUBuffer }
  if (typeof storage?.size !== 'number') {
    throw typeError(
      `gpuTensor: buffer must be a GPUBuffer or { buffer, offset, size }, got ${storage === null ? 'null' : typeof storage}`,
    )
  }
  const end = size === undefined ? storage.size : start + size
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end > storage.size) {
    throw rangeError(
      `gpuTensor: bytes ${start} to ${end} leave the buffer of ${storage.size} bytes`,
    )
  }
  return { storage, start, end }
}

/** `[batch, length, heads * dim]` as `[batch, heads, length, dim]`. */
function splitHeads(view: GpuTensor, heads: number): GpuTensor {
  const [batch, length, width] = view.shape as [number, number, number]
  const dim = width / heads
  if (view.shape.length !== 3 || !Number.isInteger(heads) || heads < 1 || !Number.isInteger(dim)) {
    throw shapeError(
      `gpuTensor: heads are those of a shape [batch, length, heads * dim], got heads=${heads} and shape [${view.shape.join(', ')}]`,
    )
  }
  const [ofBatch, ofLength, ofElement] = view.strides as [number, number, number]
  return {
    ...view,
    shape: [batch, heads, length, dim],
    strides: [ofBatch, dim * ofElement, ofLength, ofElement],
  }
}
