// Heads wider than 256 at the limits that every device has: widths of the forward suite, every tile that
// could be chosen, and values that are a view of the keys, as in latent attention.
import { afterAll, describe, expect, test } from 'vitest'
import { mask, slice, standardAttention, toFloat64Array } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import {
  conformanceCases,
  fill,
  forwardProblems,
  largestError,
} from '../../core/test/conformance/index.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))

describe.skipIf(!gpu)('wide heads at default limits', () => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> =>
    (created ??= (async () => {
      const adapter = await gpu!.requestAdapter()
      return createFlashAttention({ device: await adapter!.requestDevice() })
    })())
  afterAll(async () => (await created)?.destroy())

  const wide = conformanceCases().filter(({ shape }) => shape.headDim > 256)

  test.each(wide)('$name', async (each) => {
    const flash = await library()
    expect(flash.capabilities.limits.maxComputeWorkgroupStorageSize).toBe(16384)
    const problems = await forwardProblems(each, (...call) => flash.attention(...call))
    expect(problems).toEqual([])
  })

  test('there are cases for both kernels', () => {
    expect(wide.some(({ shape }) => shape.queryLength > 16)).toBe(true)
    expect(wide.some(({ shape }) => shape.queryLength === 1)).toBe(true)
  })

  test.each([1, 18])(
    'value is a view of key, with a cache of latents: %i queries',
    async (queryLength) => {
      const flash = await library()
      const query = fill(1, [1, 4, queryLength, 576], 0.5)
      const latents = fill(2, [1, 1, 40, 576], 0.5)
      const plan = flash.plan({
        heads: 4,
        kvHeads: 1,
        queryLength,
        keyLength: 40,
        headDim: 576,
        valueDim: 512,
        mask: causal,
      })
      expect(plan.explain().variant).toBe(queryLength === 1 ? 'decode' : 'tiled')
      const [q, key] = [flash.upload(query), flash.upload(latents)]
      const { output, logSumExp } = plan.forward({ query: q, key, value: slice(key, 3, 0, 512) })
      const expected = standardAttention(query, latents, slice(latents, 3, 0, 512), {
        mask: causal,
      })
      const got = await flash.download(output)
      expect(largestError(got.storage, toFloat64Array(expected.output))).toBeLessThan(1e-5)
      flash.release(q, key, output, logSumExp)
      plan.destroy()
    },
  )
})
