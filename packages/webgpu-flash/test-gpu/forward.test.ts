// The conformance suite of core on the GPU: on a device with all its adapter offers, and on one
// with nothing but the limits every WebGPU device has.
import { afterAll, describe } from 'vitest'
import { describeForward } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()

async function withAdapterLimits(): Promise<FlashAttention> {
  return createFlashAttention({ gpu: gpu! })
}

async function withDefaultLimits(): Promise<FlashAttention> {
  const adapter = await gpu!.requestAdapter()
  return createFlashAttention({ device: await adapter!.requestDevice() })
}

const devices = [
  ['webgpu with all its adapter offers', withAdapterLimits],
  ['webgpu at default limits', withDefaultLimits],
] as const

describe.skipIf(!gpu).each(devices)('%s', (name, create) => {
  let flash: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (flash ??= create())

  describeForward(name, async (query, key, value, options) =>
    (await library()).attention(query, key, value, options),
  )

  afterAll(async () => (await flash)?.destroy())
})
