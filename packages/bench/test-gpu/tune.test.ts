// `attn tune` from a device to a record that the library takes.
import { expect, test } from 'vitest'
import { createFlashAttention } from '@attn/webgpu-flash'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { runTune } from '../src/tune/run-tune.ts'

const gpu = await acquireGpu()

test.skipIf(!gpu)('attn tune writes what the library takes', async () => {
  const record = await runTune({
    device: 'auto',
    problem: {
      heads: 1,
      headDims: [8],
      dtypes: ['float32'],
      lengths: [32],
      masks: ['none'],
      training: false,
    },
    budgetMilliseconds: 10,
    candidates: 1,
  })
  const tuning = JSON.parse(JSON.stringify(record)) as typeof record
  const flash = await createFlashAttention({ gpu: gpu!, tuning })
  const { reason } = flash.plan({ heads: 3, queryLength: 20, headDim: 8 }).explain()
  expect(reason).toBe("tuned on this device: the model's choice is the fastest")
  flash.destroy()
})
