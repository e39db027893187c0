// The gradients on the GPU by core's conformance suites, on both kinds of device.
import { afterAll, describe } from 'vitest'
import { describeBackward } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import type { FlashAttention } from '../src/index.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()

describe.skipIf(!gpu).each(deviceKinds(gpu))('%s', (name, create) => {
  let flash: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (flash ??= create())

  describeBackward(name, async (query, key, value, dOutput, options) => {
    const own = await library()
    const forward = await own.attention(query, key, value, options)
    return own.attentionBackward(query, key, value, forward, dOutput, options)
  })

  afterAll(async () => (await flash)?.destroy())
})
