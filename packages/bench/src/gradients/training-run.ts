// The backward passes of `attn run` at one length: inputs, expectations and preparations that its methods
// share.
import type { FlashAttention } from '@attn/webgpu-flash'
import type { MeasureOptions } from '../measure/measure.ts'
import type { GpuInputs } from '../suites/gpu-inputs.ts'
import { maskOf } from '../suites/problem.ts'
import type { Method, Problem } from '../suites/problem.ts'
import { createGradientInputs } from './inputs.ts'
import type { GradientInputs } from './inputs.ts'
import { expectationFor, measureBackward } from './measure.ts'
import type { MeasuredBackward } from './measure.ts'
import { prepareFlashTraining, prepareStandardTraining } from './prepare.ts'
import type { GradientExpectation } from './verify.ts'

/** The backward passes of one length. */
export interface TrainingRun {
  /**
   * Verifies and times one method.
   *
   * @throws GpuWorkError and the errors of `@attn/webgpu-flash`, for want of memory among others.
   */
  measure(method: Method, options: MeasureOptions): Promise<MeasuredBackward>
  destroy(): void
}

/** Backward passes over the inputs of a length. Allocates nothing before the first. */
export function createTrainingRun(
  flash: FlashAttention,
  problem: Problem,
  length: number,
  { buffers }: GpuInputs,
): TrainingRun {
  let inputs: Promise<GradientInputs> | undefined
  let made: GradientInputs | undefined
  // Standard and flash attention have the same mask, hence the same right answer.
  const expectations = new Map<boolean, GradientExpectation>()
  return {
    async measure(method, options) {
      inputs ??= createGradientInputs(flash.device, problem, length, buffers)
      made = await inputs
      const mask = maskOf(problem, method)
      const window = method === 'windowFlash'
      const expectation =
        expectations.get(window) ??
        (await expectationFor(flash, problem, mask, length, buffers, made))
      expectations.set(window, expectation)
      const prepared =
        method === 'standard'
          ? await prepareStandardTraining(
              flash.device,
              problem,
              problem.causal,
              length,
              buffers,
              made,
            )
          : await prepareFlashTraining(flash, problem, { mask }, length, buffers, made)
      try {
        return await measureBackward(flash, problem, length, prepared, expectation, options)
      } finally {
        prepared.destroy()
      }
    },
    destroy: () => made?.destroy(),
  }
}
