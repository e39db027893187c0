// The GPU side of the shared tensor interface: the same shape, strides and offset over a GPUBuffer.
import { contiguousStrides, extent } from '@attn/core'
import type { DType, TensorLike } from '@attn/core'

/** A tensor in a GPUBuffer (usage STORAGE). Strides and offset count elements. */
export type GpuTensor = TensorLike<GPUBuffer, DType>

/** Bytes of one element. */
export function elementBytes(dtype: DType): number {
  return dtype === 'float16' ? 2 : 4
}

/**
 * A GpuTensor over an existing buffer, such as another library's.
 *
 * @param buffer - With usage STORAGE (and COPY_SRC where it is to be downloaded).
 * @param shape - Size of every axis, `[batch, heads, length, dim]` for attention.
 * @param options - dtype (default float32), strides (default row-major), offset (default 0).
 * @throws RangeError when the view leaves the buffer.
 */
export function gpuTensor(
  buffer: GPUBuffer,
  shape: readonly number[],
  options: { dtype?: DType; strides?: readonly number[]; offset?: number } = {},
): GpuTensor {
  const { dtype = 'float32', strides = contiguousStrides(shape), offset = 0 } = options
  const result: GpuTensor = {
    dtype,
    shape: [...shape],
    strides: [...strides],
    offset,
    storage: buffer,
  }
  const [first, last] = extent(result)
  if (
    strides.length !== shape.length ||
    first < 0 ||
    (last + 1) * elementBytes(dtype) > buffer.size
  ) {
    throw new RangeError(
      `gpuTensor: elements ${first} to ${last} of ${dtype} leave the buffer of ${buffer.size} bytes`,
    )
  }
  return result
}
