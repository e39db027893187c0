// Inputs to measure with. Zeros would do for time, but not to tell whether results are right.
import { cast, elementCount, tensor } from '@attn/core'
import type { DType } from '@attn/core'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { TuneHost } from './tune-host.ts'

const blockLength = 2 ** 16

/** A tensor of numbers from -1 to 1 that repeat after 65,536. */
export function randomTensor(
  host: TuneHost,
  shape: readonly number[],
  dtype: DType,
  seed: number,
): GpuTensor {
  const count = Math.min(blockLength, elementCount(shape))
  let state = seed
  const values = Float32Array.from({ length: count + (count % 2) }, () => {
    // Marsaglia's xorshift, https://doi.org/10.18637/jss.v008.i14
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state / 2 ** 31
  })
  const numbers = tensor(values, [values.length])
  const block = host.upload(dtype === 'float32' ? numbers : cast(numbers, dtype))
  const made = host.empty(shape, dtype)
  const encoder = host.device.createCommandEncoder({ label: 'attn tune' })
  const { size } = block.storage
  for (let start = 0; start < made.storage.size; start += size) {
    const bytes = Math.min(size, made.storage.size - start)
    encoder.copyBufferToBuffer(block.storage, 0, made.storage, start, bytes)
  }
  host.device.queue.submit([encoder.finish()])
  host.release(block)
  return made
}
