// The GPU side of the shared tensor interface: the same shape, strides and offset over a GPUBuffer.
import { checkOptions, contiguousStrides, extent } from '@attn/core'
import type { DType, TensorLike } from '@attn/core'

/** A tensor in a GPUBuffer (usage STORAGE). Strides and offset count elements. */
export type GpuTensor = TensorLike<GPUBuffer, DType>

/** Bytes of one element. */
export function elementBytes(dtype: DType): number {
  return dtype === 'float16' ? 2 : 4
}

const gpuTensorOptions = { dtype: true, strides: true, offset: true } as const

/**
 * A GpuTensor over an existing buffer, such as another library's. Nothing is copied, and the buffer
 * stays its owner's.
 *
 * @param buffer - With usage STORAGE (and COPY_SRC where it is to be downloaded).
 * @param shape - Size of every axis, `[batch, heads, length, dim]` for attention.
 * @param options - dtype (default float32), strides (default row-major) and offset (default 0), both
 *   in elements.
 * @throws RangeError when the view leaves the buffer, TypeError when there is no buffer.
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
  buffer: GPUBuffer,
  shape: readonly number[],
  options: { dtype?: DType; strides?: readonly number[]; offset?: number } = {},
): GpuTensor {
  checkOptions('gpuTensor', options, gpuTensorOptions)
  const { dtype = 'float32', strides = contiguousStrides(shape), offset = 0 } = options
  if (typeof buffer?.size !== 'number') {
    throw new TypeError(`gpuTensor: buffer must be a GPUBuffer, got ${typeof buffer}`)
  }
  if (dtype !== 'float32' && dtype !== 'float16') {
    throw new TypeError(`gpuTensor: dtype must be float32 or float16, got ${String(dtype)}`)
  }
  if (shape.some((size) => !Number.isInteger(size) || size < 0)) {
    throw new RangeError(`gpuTensor: shape must be whole numbers, got [${shape.join(', ')}]`)
  }
  if (strides.length !== shape.length || ![...strides, offset].every(Number.isInteger)) {
    throw new RangeError(
      `gpuTensor: need a whole stride for each of ${shape.length} axes and a whole offset, got strides [${strides.join(', ')}] and offset ${offset}`,
    )
  }
  const result: GpuTensor = {
    dtype,
    shape: [...shape],
    strides: [...strides],
    offset,
    storage: buffer,
  }
  const [first, last] = extent(result)
  if (first < 0 || (last + 1) * elementBytes(dtype) > buffer.size) {
    throw new RangeError(
      `gpuTensor: elements ${first} to ${last} of ${dtype} leave the buffer of ${buffer.size} bytes`,
    )
  }
  return result
}
