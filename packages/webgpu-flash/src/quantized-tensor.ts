// Quantised keys and values in a GPUBuffer, such as llama.cpp keeps them: blocks of 32 neighbours along dim.
// To kernels they are rows of 16-bit words, which blocks are made of whatever the layout.
import { quantizedBytes, shapeError } from '@attn/core'
import type { QuantizedType } from '@attn/core'
import { gpuTensor } from './gpu-tensor.ts'
import type { GpuTensor } from './gpu-tensor.ts'

/** How keys and values are quantised, those that are. */
export interface QuantizedParts {
  readonly key?: QuantizedType | undefined
  readonly value?: QuantizedType | undefined
}

/** Halves of a row. */
export function quantizedHalves(type: QuantizedType, dim: number): number {
  return quantizedBytes(type, dim) / 2
}

/**
 * A view of quantised rows in an existing buffer, for `plan.forward({ key, value, quantized })`. Nothing is
 * copied or expanded.
 *
 * @param buffer - With usage STORAGE, or part of one.
 * @param shape - `[batch, heads, length, dim]`, dim a multiple of 32.
 * @param type - How it is quantised.
 * @param options - `strides` of batch, heads and rows in bytes (ggml's nb3, nb2, nb1; default row-major) and
 *   `offset` in bytes (default 0), all even.
 * @returns The same bytes as 16-bit words, `[batch, heads, length, words]`.
 * @throws RangeError when the view leaves the buffer or does not lie on 16-bit words.
 *
 * @example
 * ```ts
 * import { quantize, tensor } from '@attn/core'
 * import { createFlashAttention, quantizedTensor } from '@attn/webgpu-flash'
 *
 * const flash = await createFlashAttention()
 * const rows = tensor(Float32Array.from({ length: 2 * 50 * 64 }, Math.sin), [1, 2, 50, 64])
 * const bytes = quantize(rows, 'q8_0') // or what another library wrote
 * const buffer = flash.device.createBuffer({
 *   size: bytes.length,
 *   usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
 * })
 * flash.device.queue.writeBuffer(buffer, 0, bytes)
 * const view = quantizedTensor(buffer, [1, 2, 50, 64], 'q8_0')
 * const plan = flash.plan({ heads: 4, kvHeads: 2, queryLength: 1, keyLength: 50, headDim: 64 })
 * const { output } = plan.forward({
 *   query: flash.empty([1, 4, 1, 64]), key: view, value: view, quantized: { key: 'q8_0', value: 'q8_0' },
 * })
 * output.shape // => [1, 4, 1, 64]
 * await flash.finished()
 * flash.destroy()
 * ```
 */
export function quantizedTensor(
  buffer: GPUBuffer | GPUBufferBinding,
  shape: readonly number[],
  type: QuantizedType,
  options: {
    strides?: readonly number[] | undefined
    offset?: number | undefined
  } = {},
): GpuTensor {
  if (shape?.length !== 4) {
    throw shapeError(
      `quantizedTensor: need shape [batch, heads, length, dim], got [${shape?.join(', ')}]`,
    )
  }
  const [batch, heads, length, dim] = shape as [number, number, number, number]
  const rowBytes = quantizedBytes(type, dim)
  const { strides = [heads * length * rowBytes, length * rowBytes, rowBytes], offset = 0 } = options
  if (strides.length !== 3 || [...strides, offset].some((value) => value % 2 !== 0)) {
    throw shapeError(
      `quantizedTensor: strides of batch, heads and rows, and the offset, must be even numbers of bytes, got strides [${strides.join(', ')}] and offset ${offset}`,
    )
  }
  return gpuTensor(buffer, [batch, heads, length, rowBytes / 2], {
    dtype: 'float16',
    strides: [...strides.map((value) => value / 2), 1],
    offset: offset / 2,
  })
}
