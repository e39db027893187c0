// The backward half of `attn run --backward`: for each method a training step's backward pass and the
// whole step, verified before they are timed.
import type { Mask } from '@attn/core'
import type { FlashAttention } from '@attn/webgpu-flash'
import { withErrorScopes } from '../device/error-scope.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { measure } from '../measure/measure.ts'
import type { MeasureOptions, Measurement } from '../measure/measure.ts'
import type { StandardBuffers } from '../peers/standard-webgpu/standard-attention.ts'
import type { Verification } from '../verify/expectation.ts'
import type { GradientInputs, GradientShape } from './inputs.ts'
import { prepareFlashTraining } from './prepare.ts'
import type { PreparedTraining } from './prepare.ts'
import { expectGradients, verifyGradients } from './verify.ts'
import type { GradientExpectation } from './verify.ts'

/** A backward pass that was run, verified and timed. */
export interface MeasuredBackward {
  readonly status: 'measured'
  /** Milliseconds of one backward pass. */
  readonly time: Measurement
  /** Milliseconds of a forward and a backward pass one after the other. */
  readonly both: Measurement
  /** Bytes held beside inputs, output and gradients from the one to the other. */
  readonly memoryBytes: number
  readonly verification: Verification
}

/** Runs a training step once, and waits. */
export async function runOnce(
  flash: FlashAttention,
  what: string,
  prepared: PreparedTraining,
): Promise<void> {
  await withErrorScopes(flash.device, what, async () => {
    const encoder = flash.device.createCommandEncoder()
    prepared.both(encoder)
    flash.device.queue.submit([encoder.finish()])
    await flash.finished()
  })
}

/** What the gradients ought to be, from a forward pass of flash attention with the same mask. */
export async function expectationFor(
  flash: FlashAttention,
  shape: GradientShape,
  mask: Mask | undefined,
  length: number,
  buffers: StandardBuffers,
  gradients: GradientInputs,
): Promise<GradientExpectation> {
  const prepared = await prepareFlashTraining(flash, shape, { mask }, length, buffers, gradients)
  try {
    await runOnce(flash, 'forward', prepared)
    const { logSumExp } = prepared
    return await expectGradients(flash.device, shape, length, mask, buffers, gradients, logSumExp!)
  } finally {
    prepared.destroy()
  }
}

/** Verifies and times a training step that was made ready. */
export async function measureBackward(
  flash: FlashAttention,
  shape: GradientShape,
  length: number,
  prepared: PreparedTraining,
  expectation: GradientExpectation,
  options: MeasureOptions,
): Promise<MeasuredBackward> {
  const { device } = flash
  await runOnce(flash, 'backward', prepared)
  const verification = await verifyGradients(device, shape, length, expectation, prepared)
  const backward = createGpuStopwatch(device, prepared.backward)
  const both = createGpuStopwatch(device, prepared.both)
  try {
    return {
      status: 'measured',
      time: await measure(backward, options),
      both: await measure(both, options),
      memoryBytes: prepared.memoryBytes(),
      verification,
    }
  } finally {
    backward.destroy()
    both.destroy()
  }
}
