// The gradients on the GPU by core's conformance suites, on both kinds of device.
import { afterAll, describe } from 'vitest'
import { describeBackward } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import type { FlashAttention } from '../src/index.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()

describe.skipIf(!gpu).each(deviceKinds(gpu))('%s', (name, create) => {
  // After some forty kernels lavapipe lets go of those it compiled first, and does not find them on disk again for the
  // same pipelines; for those of a new device it does.
  const callsOfDevice = 12
  let flash: Promise<FlashAttention> | undefined
  let calls = 0
  const library = async (): Promise<FlashAttention> => {
    const current = await (flash ??= create())
    if (++calls % callsOfDevice !== 0 || !/llvmpipe/.test(current.capabilities.adapter.description))
      return current
    await current.finished()
    current.destroy()
    return (flash = create())
  }

  describeBackward(name, async (query, key, value, dOutput, options) => {
    const own = await library()
    const forward = await own.attention(query, key, value, options)
    return own.attentionBackward(query, key, value, forward, dOutput, options)
  })

  afterAll(async () => (await flash)?.destroy())
})
