// `attn run --backward` on whatever adapter there is: gradients are compared before they are timed, and a
// comparison that could not fail would prove nothing.
import { createFlashAttention } from '@attn/webgpu-flash'
import type { FlashAttention } from '@attn/webgpu-flash'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createGradientInputs } from '../src/gradients/inputs.ts'
import { expectationFor, measureBackward } from '../src/gradients/measure.ts'
import { prepareFlashTraining, prepareStandardTraining } from '../src/gradients/prepare.ts'
import { verifyGradients } from '../src/gradients/verify.ts'
import { createGpuInputs } from '../src/suites/gpu-inputs.ts'

const gpu = await acquireGpu()
const few = { samples: 1, sampleMilliseconds: 1, warmUps: 2 }

describe.skipIf(!gpu)('backward passes', () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu!, training: true })
  })
  afterAll(() => flash.destroy())

  test('standard and flash', async () => {
    const shape = { batch: 1, heads: 2, headDim: 32, dtype: 'float32' } as const
    const length = 70
    const inputs = await createGpuInputs(flash.device, shape, length)
    const { buffers } = inputs
    const gradients = await createGradientInputs(flash.device, shape, length, buffers)
    const expectation = await expectationFor(flash, shape, undefined, length, buffers, gradients)
    const args = [length, buffers, gradients] as const
    const methods = {
      standard: await prepareStandardTraining(flash.device, shape, false, ...args),
      flash: await prepareFlashTraining(flash, shape, {}, ...args),
    }
    for (const prepared of Object.values(methods)) {
      const result = await measureBackward(flash, shape, length, prepared, expectation, few)
      expect(result.verification).toMatchObject({ rows: 24, passed: true })
      expect(result.time.median).toBeGreaterThan(0)
      expect(result.memoryBytes).toBeGreaterThan(0)
    }
    // What was expected of other inputs is refused.
    const [first, ...rest] = expectation.exact
    const wrong = { ...expectation, exact: [first!.map((value) => value + 0.5), ...rest] }
    const verification = await verifyGradients(flash.device, shape, length, wrong, methods.flash)
    expect(verification.passed).toBe(false)
    Object.values(methods).forEach((prepared) => prepared.destroy())
    gradients.destroy()
    inputs.destroy()
  })
})
