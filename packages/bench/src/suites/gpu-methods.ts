// The three ways on a GPU, made ready for one length: what a stopwatch needs and no more.
import type { DType } from '@attn/core'
import { gpuTensor } from '@attn/webgpu-flash'
import type { FlashAttention } from '@attn/webgpu-flash'
import { withErrorScopes } from '../device/error-scope.ts'
import type { EncodeWork } from '../measure/gpu-stopwatch.ts'
import { createStandardAttention } from '../peers/standard-webgpu/standard-attention.ts'
import type { StandardBuffers } from '../peers/standard-webgpu/standard-attention.ts'
import { maskOf } from './problem.ts'
import type { Method, Problem } from './problem.ts'

/** A method that only has to be run. */
export interface PreparedMethod {
  readonly encode: EncodeWork
  /** Bytes it holds beside inputs and output; final once it has run. */
  memoryBytes(): number
  readonly explanation?: unknown
  destroy(): void
}

/** Prepares one method for one length on the buffers given. */
export function prepareOnGpu(
  flash: FlashAttention,
  problem: Problem,
  method: Method,
  length: number,
  buffers: StandardBuffers,
): Promise<PreparedMethod> {
  return method === 'standard'
    ? prepareStandard(flash.device, problem, length, buffers)
    : prepareFlash(flash, problem, method, length, buffers)
}

async function prepareStandard(
  device: GPUDevice,
  { batch, heads, headDim, dtype, causal }: Problem,
  length: number,
  buffers: StandardBuffers,
): Promise<PreparedMethod> {
  const shape = { batch, heads, queryLength: length, keyLength: length, headDim, dtype, causal }
  const prepared = await withErrorScopes(device, 'standard attention', () =>
    createStandardAttention(device, shape, buffers),
  )
  return {
    encode: prepared.encode,
    memoryBytes: () => prepared.memoryBytes,
    destroy: prepared.destroy,
  }
}

async function prepareFlash(
  flash: FlashAttention,
  problem: Problem,
  method: Method,
  length: number,
  buffers: StandardBuffers,
): Promise<PreparedMethod> {
  const { batch, heads, headDim, dtype } = problem
  const before = flash.memory.allocatedBytes
  flash.resetPeakMemory()
  const mask = maskOf(problem, method)
  const plan = flash.plan({
    batch,
    heads,
    queryLength: length,
    headDim,
    dtype,
    ...(mask ? { mask } : {}),
  })
  await plan.compile()
  const view = (buffer: GPUBuffer, type: DType = dtype): ReturnType<typeof gpuTensor> =>
    gpuTensor(buffer, [batch, heads, length, headDim], { dtype: type })
  const logSumExp = flash.empty([batch, heads, length])
  const tensors = {
    query: view(buffers.query),
    key: view(buffers.key),
    value: view(buffers.value),
    output: view(buffers.output),
    logSumExp,
  }
  return {
    encode: (encoder, timestampWrites) => plan.encodeForward(encoder, tensors, timestampWrites),
    memoryBytes: () => flash.memory.peakBytes - before,
    explanation: plan.explain(),
    destroy() {
      plan.destroy()
      flash.release(logSumExp)
    },
  }
}
