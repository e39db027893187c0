// Rotation of one tensor by itself: keys on their way into a cache, gradients on their way back.
import { isPackedInWords } from '../../codegen/access.ts'
import { checkOptions, rangeError, shapeError, typeError } from '@attn/core'
import type { DType, OptionNames, RotaryEmbedding } from '@attn/core'
import type { BufferPool } from '../../device/buffers.ts'
import { elementBytes, isDType } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { packedRow } from '../../codegen/access.ts'
import { checkRotary, positionWords } from '../../plan/rotate/rotary-words.ts'
import type { RotaryPositions } from '../../plan/rotate/rotary-words.ts'
import type { PlanHost } from '../plan-host.ts'
import { checkPacked, checkTensor, checkWritable } from '../forward/forward-tensors.ts'
import { createRotation } from './rotation.ts'

/** Where the rows of the tensor stand, and where the result goes. */
export interface GpuRotateOptions {
  /** Default: 0, so that row i stands at position i. */
  readonly positions?: RotaryPositions | undefined
  /**
   * A tensor of the same shape and dtype in another buffer, such as the next rows of a cache.
   * Default: a new one, which `flash.release` frees.
   */
  readonly output?: GpuTensor | undefined
}

const rotateOptions: OptionNames<GpuRotateOptions> = { positions: true, output: true }

/**
 * A new tensor `[B, H, L, D]` for rotated rows: row-major, but that halves which are stored in pairs
 * (no `shader-f16`) begin each row on a whole word.
 */
export function createRotated(
  buffers: BufferPool,
  label: string,
  shape: readonly number[],
  dtype: DType,
  nativeFloat16: boolean,
): GpuTensor {
  const [batch, heads, length, dim] = shape as [number, number, number, number]
  const row = packedRow(dtype, dim, nativeFloat16)
  const strides = [heads * length * row, length * row, row, 1]
  const storage = buffers.allocate(label, batch * strides[0]! * elementBytes(dtype))
  return { dtype, shape: [...shape], strides, offset: 0, storage }
}

/** Runs one rotation; see `FlashAttention.rotate` and `rotateBack`. */
export function rotateTensor(
  host: PlanHost,
  caller: string,
  input: GpuTensor,
  rotary: RotaryEmbedding,
  options: GpuRotateOptions,
  direction: 1 | -1,
): GpuTensor {
  const { device, buffers, errors, capabilities } = host
  errors.checkAlive(caller)
  checkOptions(caller, options, rotateOptions)
  const { positions = 0, output } = options
  const { shape, dtype } = input ?? {}
  if (shape?.length !== 4 || shape.includes(0)) {
    throw shapeError(
      `${caller}: need shape [batch, heads, length, dim] without zeros, got [${shape?.join(', ')}]`,
    )
  }
  if (!isDType(dtype)) {
    throw typeError(
      `${caller}: dtype must be float32, float16 or bfloat16, got ${String(dtype)}`,
      'ATTN_DTYPE',
    )
  }
  const [batch, , length, dim] = shape as [number, number, number, number]
  checkTensor(`${caller}: the tensor`, input, shape, dtype)
  checkRotary(caller, rotary, dim)
  const words = positionWords(caller, positions, batch, length)
  if (output) checkOutput(caller, input, output, capabilities.shaderFloat16)
  return errors.guard(caller, (call) => {
    const result =
      output ?? createRotated(buffers, 'tensor', shape, dtype, capabilities.shaderFloat16)
    try {
      const rotation = createRotation(host, caller, rotary, words)
      const encoder = device.createCommandEncoder({ label: 'attn rotation' })
      const pass = encoder.beginComputePass({ label: 'attn rotation' })
      rotation.encode(caller, call, pass, input, result, direction)
      pass.end()
      device.queue.submit([encoder.finish()])
      // What is submitted may still use them.
      rotation.destroy()
    } catch (error) {
      if (!output) buffers.release(result.storage)
      throw error
    }
    return result
  })
}

function checkOutput(
  caller: string,
  input: GpuTensor,
  output: GpuTensor,
  nativeFloat16: boolean,
): void {
  checkTensor(`${caller}: output`, output, input.shape, input.dtype)
  checkWritable(`${caller}: output`, output)
  if (output.storage === input.storage) {
    throw rangeError(
      `${caller}: output must be in another buffer than the tensor: WebGPU cannot read and write one at once`,
    )
  }
  if (isPackedInWords(output.dtype, nativeFloat16)) checkPacked(caller, output)
}
