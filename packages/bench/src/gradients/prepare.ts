// Forward and backward of one method made ready for one length: what stopwatches need, what it holds
// from one to the other, and where the gradients are.
import type { RotaryEmbedding, ScoreModifier, Mask } from '@attn/core'
import { gpuTensor } from '@attn/webgpu-flash'
import type { FlashAttention, GpuTensor } from '@attn/webgpu-flash'
import { withErrorScopes } from '../device/error-scope.ts'
import { oneAfterTheOther } from '../measure/gpu-stopwatch.ts'
import type { EncodeWork } from '../measure/gpu-stopwatch.ts'
import { createStandardBackward } from '../peers/standard-webgpu/standard-backward.ts'
import { createStandardAttention } from '../peers/standard-webgpu/standard-attention.ts'
import type { StandardBuffers } from '../peers/standard-webgpu/standard-attention.ts'
import type { GradientInputs, GradientShape } from './inputs.ts'

/** A training step of attention that only has to be run. */
export interface PreparedTraining {
  readonly forward: EncodeWork
  /** Needs what `forward` left behind. */
  readonly backward: EncodeWork
  readonly both: EncodeWork
  /** Bytes held beside inputs, output and gradients; final once both have run. */
  memoryBytes(): number
  readonly dQuery: GPUBuffer
  readonly dKey: GPUBuffer
  readonly dValue: GPUBuffer
  /** Of flash attention. */
  readonly logSumExp?: GPUBuffer
  readonly explanation?: unknown
  destroy(): void
}

/** Standard attention that keeps P for its backward pass. */
export async function prepareStandardTraining(
  device: GPUDevice,
  { batch, heads, headDim, dtype }: GradientShape,
  causal: boolean,
  length: number,
  buffers: StandardBuffers,
  gradients: GradientInputs,
): Promise<PreparedTraining> {
  const shape = { batch, heads, queryLength: length, keyLength: length, headDim, dtype, causal }
  const { forward, backward } = await withErrorScopes(device, 'standard attention', async () => {
    const first = await createStandardAttention(device, shape, buffers)
    const second = await createStandardBackward(device, shape, first, gradients.buffers)
    return { forward: first, backward: second }
  })
  const { dQuery, dKey, dValue } = gradients.buffers
  return {
    forward: forward.encode,
    backward: backward.encode,
    both: oneAfterTheOther(forward.encode, backward.encode),
    memoryBytes: () => forward.memoryBytes + backward.memoryBytes,
    dQuery,
    dKey,
    dValue,
    destroy() {
      backward.destroy()
      forward.destroy()
    },
  }
}

/** What may differ from plain flash attention. */
export interface FlashTrainingOptions {
  readonly mask?: Mask | undefined
  readonly bias?: ScoreModifier | undefined
  readonly rotary?: RotaryEmbedding | undefined
}

/** Flash attention, dense or block-sparse as its mask is. */
export async function prepareFlashTraining(
  flash: FlashAttention,
  { batch, heads, headDim, dtype }: GradientShape,
  { mask, bias, rotary }: FlashTrainingOptions,
  length: number,
  buffers: StandardBuffers,
  gradients: GradientInputs,
): Promise<PreparedTraining> {
  const before = flash.memory.allocatedBytes
  flash.resetPeakMemory()
  const plan = flash.plan({
    batch,
    heads,
    queryLength: length,
    headDim,
    dtype,
    training: true,
    ...(mask ? { mask } : {}),
    ...(bias ? { scoreModifiers: [bias] } : {}),
    ...(rotary ? { rope: rotary } : {}),
  })
  await plan.compile()
  const view = (buffer: GPUBuffer): GpuTensor =>
    gpuTensor(buffer, [batch, heads, length, headDim], { dtype })
  const logSumExp = flash.empty([batch, heads, length])
  const { query, key, value, output } = buffers
  const inputs = {
    query: view(query),
    key: view(key),
    value: view(value),
    output: view(output),
    logSumExp,
  }
  const made = plan.createGradients()
  const all = { ...inputs, ...made, dOutput: view(gradients.buffers.dOutput) }
  const ofGradients = [made.dQuery, made.dKey, made.dValue]
  const gradientBytes = ofGradients.reduce((sum, { storage }) => sum + storage.size, 0)
  const forward: EncodeWork = (encoder, writes) => plan.encodeForward(encoder, inputs, writes)
  const backward: EncodeWork = (encoder, writes) => plan.encodeBackward(encoder, all, writes)
  return {
    forward,
    backward,
    both: oneAfterTheOther(forward, backward),
    memoryBytes: () => flash.memory.peakBytes - before - gradientBytes,
    dQuery: made.dQuery.storage,
    dKey: made.dKey.storage,
    dValue: made.dValue.storage,
    logSumExp: logSumExp.storage,
    explanation: plan.explain(),
    destroy() {
      plan.destroy()
      for (const tensor of [...ofGradients, ...made.dTables.values(), logSumExp]) {
        flash.release(tensor)
      }
    },
  }
}
