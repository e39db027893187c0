// The training step of every position method at one length: prepared and checked one after the other, timed
// in turns.
import type { FlashAttention } from '@attn/webgpu-flash'
import { withErrorScopes } from '../device/error-scope.ts'
import { createGradientInputs } from '../gradients/inputs.ts'
import { prepareFlashTraining } from '../gradients/prepare.ts'
import type { PreparedTraining } from '../gradients/prepare.ts'
import { readRanges } from '../inputs/read-back.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { measureInTurns } from '../measure/measure-in-turns.ts'
import type { MeasureOptions, Measurement } from '../measure/measure.ts'
import type { GpuInputs } from '../suites/gpu-inputs.ts'
import { resolution } from '../verify/expectation.ts'
import type { Verification } from '../verify/expectation.ts'
import { biasOf, rotaryOf } from './biases.ts'
import { positionMask } from './problem.ts'
import type { PositionMethod, PositionProblem } from './problem.ts'

/** One method's training step, timed. */
export interface TimedTraining {
  readonly backward: Measurement
  readonly both: Measurement
  readonly memoryBytes: number
  readonly verification: Verification
}

/**
 * Times them. Embeddings that are added beforehand are none of attention's business here, so that a
 * sinusoidal step is that without positions.
 *
 * @returns One for each method, in their order.
 * @throws GpuWorkError and the errors of `@attn/webgpu-flash`.
 */
export async function timeTraining(
  flash: FlashAttention,
  problem: PositionProblem,
  methods: readonly PositionMethod[],
  length: number,
  inputs: GpuInputs,
  options: MeasureOptions,
): Promise<TimedTraining[]> {
  const { device } = flash
  const { heads, headDim } = problem
  const gradients = await createGradientInputs(device, problem, length, inputs.buffers)
  const prepared: PreparedTraining[] = []
  const verifications: Verification[] = []
  const memory: number[] = []
  try {
    for (const method of methods) {
      const step = await prepareFlashTraining(
        flash,
        problem,
        { mask: positionMask, bias: biasOf(method, heads), rotary: rotaryOf(method, headDim) },
        length,
        inputs.buffers,
        gradients,
      )
      prepared.push(step)
      await withErrorScopes(device, `${method}, length ${length}`, async () => {
        const encoder = device.createCommandEncoder()
        step.both(encoder)
        device.queue.submit([encoder.finish()])
        await flash.finished()
      })
      memory.push(step.memoryBytes())
      verifications.push(
        await compareSums(device, problem, length, gradients.buffers.dOutput, step.dValue),
      )
    }
    const stopwatches = [
      ...prepared.map(({ backward }) => createGpuStopwatch(device, backward)),
      ...prepared.map(({ both }) => createGpuStopwatch(device, both)),
    ]
    const times = await measureInTurns(stopwatches, options)
    await flash.finished()
    stopwatches.forEach((stopwatch) => stopwatch.destroy())
    return prepared.map((_step, index) => ({
      backward: times[index]!,
      both: times[methods.length + index]!,
      memoryBytes: memory[index]!,
      verification: verifications[index]!,
    }))
  } finally {
    prepared.forEach((step) => step.destroy())
    gradients.destroy()
  }
}

/** Sums over the first head: of dV over keys and of dO over queries, dim by dim. */
async function compareSums(
  device: GPUDevice,
  { headDim, dtype }: PositionProblem,
  length: number,
  dOutput: GPUBuffer,
  dValue: GPUBuffer,
): Promise<Verification> {
  const head = [{ first: 0, count: length * headDim }]
  const [ofOutputs, ofValues] = await Promise.all(
    [dOutput, dValue].map(async (buffer) => (await readRanges(device, buffer, dtype, head))[0]!),
  )
  const error = Math.max(
    ...Array.from({ length: headDim }, (_, d) => {
      let [difference, size] = [0, 0]
      for (let row = 0; row < length; row++) {
        const [output, value] = [ofOutputs![row * headDim + d]!, ofValues![row * headDim + d]!]
        difference += output - value
        size += Math.abs(output)
      }
      return Number.isFinite(difference) ? Math.abs(difference) / size : Infinity
    }),
  )
  const allowedError = 4 * resolution[dtype]
  return {
    rows: length,
    error,
    plainError: resolution[dtype],
    allowedError,
    passed: error <= allowedError,
  }
}
