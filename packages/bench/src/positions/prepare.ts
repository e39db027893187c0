// One method made ready for one length: what a stopwatch needs, what it holds, and whether it is right.
import { gpuTensor } from '@attn/webgpu-flash'
import type { FlashAttention, PlanOptions } from '@attn/webgpu-flash'
import { withErrorScopes } from '../device/error-scope.ts'
import { oneAfterTheOther } from '../measure/gpu-stopwatch.ts'
import type { EncodeWork } from '../measure/gpu-stopwatch.ts'
import type { GpuInputs } from '../suites/gpu-inputs.ts'
import { verifyRows } from '../verify/expectation.ts'
import type { Verification } from '../verify/expectation.ts'
import { createEmbeddingSum } from './add-embeddings.ts'
import { biasOf, rotaryOf } from './biases.ts'
import { expectPositions } from './expectation.ts'
import { positionMask } from './problem.ts'
import type { PositionMethod, PositionProblem } from './problem.ts'

/** A method that has been verified and only has to be timed. */
export interface PreparedPositions {
  readonly method: PositionMethod
  readonly encode: EncodeWork
  /** Bytes it holds beside inputs and output. */
  readonly memoryBytes: number
  readonly verification: Verification
  /** The plan's account of itself. */
  readonly explanation: unknown
  destroy(): void
}

/**
 * Plans a method, runs it once and compares.
 *
 * @throws GpuWorkError and the errors of `@attn/webgpu-flash`.
 */
export async function preparePositions(
  flash: FlashAttention,
  { batch, heads, headDim, dtype }: PositionProblem,
  method: PositionMethod,
  length: number,
  inputs: GpuInputs,
): Promise<PreparedPositions> {
  const { device } = flash
  const before = flash.memory.allocatedBytes
  const bias = biasOf(method, heads)
  const rotary = rotaryOf(method, headDim)
  const options: PlanOptions = {
    batch,
    heads,
    queryLength: length,
    headDim,
    dtype,
    mask: positionMask,
    ...(bias ? { scoreModifiers: [bias] } : {}),
    ...(rotary ? { rope: rotary } : {}),
  }
  const plan = flash.plan(options)
  await plan.compile()
  const logSumExp = flash.empty([batch, heads, length])
  const view = (buffer: GPUBuffer) => gpuTensor(buffer, [batch, heads, length, headDim], { dtype })
  const { query, key, value, output } = inputs.buffers
  const tensors = {
    query: view(query),
    key: view(key),
    value: view(value),
    output: view(output),
    logSumExp,
  }
  const sum =
    method === 'sinusoidal'
      ? await createEmbeddingSum(device, dtype, batch, length, heads * headDim)
      : undefined
  const attend: EncodeWork = (encoder, writes) => plan.encodeForward(encoder, tensors, writes)

  const rows = await withErrorScopes(device, `${method}, length ${length}`, async () => {
    inputs.clearOutput()
    const encoder = device.createCommandEncoder()
    attend(encoder)
    device.queue.submit([encoder.finish()])
    await flash.finished()
    return inputs.readOutput()
  })
  const reference = { bias, rotary, heads }
  const compared = verifyRows(expectPositions(inputs.blocks, length, dtype, reference), rows)
  const sumsRight = sum === undefined || (await sum.verify())
  return {
    method,
    encode: sum ? oneAfterTheOther(sum.encode, attend) : attend,
    memoryBytes: flash.memory.allocatedBytes - before + (sum?.memoryBytes ?? 0),
    verification: sumsRight ? compared : { ...compared, error: Infinity, passed: false },
    explanation: plan.explain(),
    destroy() {
      plan.destroy()
      flash.release(logSumExp)
      sum?.destroy()
    },
  }
}
