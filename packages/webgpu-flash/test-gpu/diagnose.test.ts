// The account of a device: complete, and right about results that are wrong.
import { describe, expect, test } from 'vitest'
import type { Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { CallOptions, FlashAttention } from '../src/index.ts'
import { diagnose } from '../src/diagnose/diagnose.ts'

const gpu = await acquireGpu()

describe.skipIf(!gpu)('diagnose', () => {
  test('names the kernel of every usual call, and small problems come out right', async () => {
    const flash = await createFlashAttention({ gpu: gpu! })
    const held = flash.memory.allocatedBytes
    const { kernels, results, software, capabilities, remedies } = await flash.diagnose()
    expect(flash.memory.allocatedBytes).toBe(held)
    expect(kernels.map(({ call }) => call)).toEqual(
      ['float32', 'float16'].flatMap((dtype) =>
        [64, 128].flatMap((dim) =>
          ['forward', 'backward', 'decoding'].map((pass) => `${dtype} ${pass}, headDim ${dim}`),
        ),
      ),
    )
    for (const { variant, reason } of kernels)
      expect(`${variant}: ${reason}`).toMatch(/^\S+: .{20}/)
    expect(results).toHaveLength(5)
    for (const result of results) expect(result).toMatchObject({ passed: true })
    expect(capabilities).toEqual(flash.capabilities)
    expect(remedies.some((text) => text.includes('A CPU imitates'))).toBe(software)

    // A device that computes nonsense is told from one that does not.
    const training = await createFlashAttention({ device: flash.device, training: true })
    const wrong = await diagnose({
      ...training,
      attention: (async (query: Tensor, key: Tensor, value: Tensor, options?: CallOptions) => {
        const { output, logSumExp } = await flash.attention(query, key, value, options)
        output.storage[3] = NaN
        return { output, logSumExp }
      }) as FlashAttention['attention'],
    })
    expect(wrong.results.slice(0, 4).map(({ passed }) => passed)).toEqual([
      false,
      false,
      false,
      false,
    ])
    flash.destroy()
    await expect(flash.diagnose()).rejects.toThrow('flash.diagnose')
  })
})
