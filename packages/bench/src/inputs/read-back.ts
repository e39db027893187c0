// Parts of a buffer back in the CPU's memory: what a check of long sequences needs and no more.
import { fromFloat16Array } from '@attn/core'
import type { DType } from '@attn/core'
import { bytesOf } from '../peers/standard-webgpu/storage.wgsl.ts'

/** Consecutive elements of a buffer. */
export interface ElementRange {
  readonly first: number
  readonly count: number
}

/**
 * Reads ranges of elements from a GPU buffer, in one submission.
 *
 * @param buffer - With usage COPY_SRC.
 * @param ranges - First and count even where the elements are float16.
 * @returns One array per range, as float32 (exact for float16).
 */
export async function readRanges(
  device: GPUDevice,
  buffer: GPUBuffer,
  dtype: DType,
  ranges: readonly ElementRange[],
): Promise<Float32Array<ArrayBuffer>[]> {
  const size = bytesOf(dtype)
  const total = ranges.reduce((sum, { count }) => sum + count * size, 0)
  const staging = device.createBuffer({
    label: 'read back',
    size: total,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  })
  try {
    const encoder = device.createCommandEncoder()
    let place = 0
    for (const { first, count } of ranges) {
      encoder.copyBufferToBuffer(buffer, first * size, staging, place, count * size)
      place += count * size
    }
    device.queue.submit([encoder.finish()])
    await staging.mapAsync(GPUMapMode.READ)
    const bytes = staging.getMappedRange().slice(0)
    place = 0
    return ranges.map(({ count }) => {
      const from = place
      place += count * size
      return dtype === 'float32'
        ? new Float32Array(bytes, from, count)
        : fromFloat16Array(new Uint16Array(bytes, from, count))
    })
  } finally {
    staging.destroy()
  }
}
