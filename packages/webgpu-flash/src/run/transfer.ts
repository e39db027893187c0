// Tensors between CPU and GPU memory.
import {
  cast,
  checkTensors,
  checkView,
  elementCount,
  extent,
  isContiguous,
  tensor,
  toContiguous,
  typeError,
} from '@attn/core'
import type { Tensor } from '@attn/core'
import type { BufferPool } from '../device/buffers.ts'
import { elementBytes } from '../gpu-tensor.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { PlanHost } from './plan-host.ts'

/** Copies a CPU tensor to a new buffer, row-major; float64 becomes float32. */
export function uploadTensor(buffers: BufferPool, label: string, source: Tensor): GpuTensor {
  checkTensors('flash.upload', { source })
  const dense = source.dtype === 'float64' ? cast(source, 'float32') : toContiguous(source)
  const count = elementCount(dense.shape)
  const dtype = dense.dtype === 'float64' ? 'float32' : dense.dtype
  return {
    dtype,
    shape: dense.shape,
    strides: dense.strides,
    offset: 0,
    storage: buffers.upload(label, dense.storage.subarray(0, count)),
  }
}

const mapRead = 0x01
const copyDestination = 0x08

/** Copies a GPU tensor back, row-major. Waits for the work that writes it, rejects with its error. */
export async function downloadTensor(
  { device, buffers, errors }: PlanHost,
  source: GpuTensor,
): Promise<Tensor> {
  const caller = 'flash.download'
  if (typeof source?.storage?.size !== 'number') {
    throw typeError(
      `${caller}: source must be a tensor in a GPUBuffer, got ${source === null ? 'null' : typeof source}`,
    )
  }
  checkView(`${caller}: source`, source)
  const bytes = elementBytes(source.dtype)
  const [first, last] = extent(source)
  // Copies begin and end on whole words.
  const start = Math.floor((first * bytes) / 4) * 4
  const size = Math.ceil(((last + 1) * bytes - start) / 4) * 4
  const { staging, mapped } = errors.guard(caller, (call) => {
    const buffer = buffers.allocate('download', size, mapRead | copyDestination)
    call.reads(source.storage)
    call.writes(buffer)
    const encoder = device.createCommandEncoder({ label: 'attn download' })
    encoder.copyBufferToBuffer(source.storage, start, buffer, 0, size)
    device.queue.submit([encoder.finish()])
    return { staging: buffer, mapped: buffer.mapAsync(mapRead, 0, size) }
  })
  try {
    // The report names the cause, so it goes before what the mapping says.
    const mapping = mapped.then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    await errors.filled(staging)
    const failure = await mapping
    if (failure) await errors.outcome(caller, Promise.reject(failure.error as Error))
    const copy = staging.getMappedRange(0, size).slice(0)
    const storage = source.dtype === 'float32' ? new Float32Array(copy) : new Uint16Array(copy)
    const view = tensor(storage, source.shape, {
      dtype: source.dtype,
      strides: source.strides,
      offset: source.offset - start / bytes,
    })
    return isContiguous(view) && view.offset === 0 && storage.length === elementCount(view.shape)
      ? view
      : cast(view, source.dtype)
  } finally {
    buffers.release(staging)
  }
}
