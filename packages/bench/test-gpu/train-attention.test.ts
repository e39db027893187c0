// Attention between the segments on the GPU, in the buffers of jax-js, against the same on the CPU.
import { defaultDevice, getWebGPUDevice, init, numpy as np } from '@jax-js/jax'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createFlashAttention } from '@attn/webgpu-flash'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { normalArray } from '../src/inputs/normal.ts'
import { createCpuAttention } from '../src/train/attention.ts'
import type { SegmentAttention } from '../src/train/attention.ts'
import { createGpuAttention } from '../src/train/attention-gpu.ts'
import type { TrainingConfiguration } from '../src/train/configuration.ts'

const gpu = await acquireGpu()

const configuration: TrainingConfiguration = {
  layers: 1,
  heads: 2,
  width: 16,
  context: 64,
  batch: 2,
  mask: 'strided',
  positions: 'alibi',
  dropout: 0,
  learningRate: 0.003,
  seed: 3,
}
const shape = [2, 64, 2, 8]
const count = 2 * 64 * 2 * 8
const call = { step: 5, layer: 0 }

/** Output and the three gradients of the same random inputs. */
async function run(attention: SegmentAttention): Promise<Float32Array[]> {
  const random = (stream: number): np.Array => np.array(normalArray(stream, count), { shape })
  const attended = await attention.attend(call, random(1), random(2), random(3))
  const { inputs, tables } = await attended.pullback(random(4))
  const results = [attended.output, ...inputs, ...tables]
  return Promise.all(results.map(async (array) => (await array.data()) as Float32Array))
}

function largestDifference(left: readonly Float32Array[], right: readonly Float32Array[]): number {
  const differences = left.flatMap((values, index) =>
    Array.from(values, (value, place) => Math.abs(value - right[index]![place]!)),
  )
  return Math.max(...differences)
}

describe.skipIf(!gpu)('attention in buffers of jax-js', () => {
  beforeAll(async () => {
    // Where jax-js looks for WebGPU; browsers have it there.
    if (!globalThis.navigator.gpu) {
      Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true })
    }
    await init('webgpu', 'wasm')
    defaultDevice('webgpu')
  })
  afterAll(() => getWebGPUDevice().destroy())

  test.each([
    { dropout: 0 },
    { dropout: 0.4 },
    { positions: 'rope' },
    { mask: 'fixed', integration: 'interleaved' },
    { mask: 'random' },
    { positions: 't5' },
    { positions: 'kerple', mask: 'causal' },
    { precision: 'float16', positions: 'rope' },
  ] as const)('is what the CPU computes, with its gradients: %o', async (change) => {
    const changed: TrainingConfiguration = { ...configuration, ...change }
    const flash = await createFlashAttention({ device: getWebGPUDevice(), training: true })
    const attention = createGpuAttention(changed, flash)
    const own = await run(attention)
    await flash.finished()
    const { allocatedBytes } = flash.memory
    // Where the device has a clock, what both passes took, once.
    const times = await attention.readTimes()
    expect(times !== undefined).toBe(getWebGPUDevice().features.has('timestamp-query'))
    expect(Math.min(times?.forward ?? 1, times?.backward ?? 1)).toBeGreaterThan(0)
    expect(await attention.readTimes()).toBeUndefined()
    // A second call takes over buffers of the first, which jax-js hands out again.
    expect(await run(attention)).toEqual(own)
    // Nothing is kept of a call once its pullback has run, apart from the plan's own buffers.
    expect(flash.memory.allocatedBytes).toBe(allocatedBytes)
    attention.destroy()
    const expected = await run(createCpuAttention(changed))
    expect(own.slice(0, 4).map(({ length }) => length)).toEqual([count, count, count, count])
    expect(own.map(({ length }) => length)).toEqual(expected.map(({ length }) => length))
    // Of numbers up to about 4, a few times rounded.
    const rounding = changed.precision === 'float16' ? 1e-2 : 2e-5
    expect(largestDifference(own, expected)).toBeLessThan(rounding)
    expect(largestDifference(own.slice(0, 4).toReversed(), expected)).toBeGreaterThan(1)
  })
})
