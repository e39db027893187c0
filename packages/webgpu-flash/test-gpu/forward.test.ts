// The conformance suite of core on the GPU: on a device with all its adapter offers, and on one
// with nothing but the limits every WebGPU device has.
import { afterAll, describe } from 'vitest'
import { describeForward } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import type { FlashAttention } from '../src/index.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()

describe.skipIf(!gpu).each(deviceKinds(gpu))('%s', (name, create) => {
  let flash: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (flash ??= create())

  describeForward(name, async (query, key, value, options) =>
    (await library()).attention(query, key, value, options),
  )

  afterAll(async () => (await flash)?.destroy())
})
