// Dropout and attention sinks on the GPU, by core's conformance suites.
import { afterAll, describe, expect, test } from 'vitest'
import { standardAttention, toFloat64Array } from '@attn/core'
import type { AttentionResult, Tensor } from '@attn/core'
import {
  describeDropout,
  describeSinks,
  fill,
  largestError,
} from '../../core/test/conformance/index.ts'
import type { AttendBackward } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import type { CallOptions, FlashAttention } from '../src/index.ts'
import { deviceKinds } from './devices.ts'

type AttendCall = [query: Tensor, key: Tensor, value: Tensor, options?: CallOptions]

const gpu = await acquireGpu()

describe.skipIf(!gpu).each(deviceKinds(gpu))('%s', (name, create) => {
  let flash: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (flash ??= create())
  const attend = async (...call: AttendCall): Promise<AttentionResult> =>
    (await library()).attention(...call)
  const attendBackward: AttendBackward = async (query, key, value, dOutput, options) => {
    const own = await library()
    const forward = await own.attention(query, key, value, options)
    return own.attentionBackward(query, key, value, forward, dOutput, options)
  }

  describeDropout(name, attend, attendBackward)
  describeSinks(name, attend, attendBackward)

  test('count a sink once where keys are split over dispatches, and drop the same pairs', async () => {
    const shape = [1, 2, 200, 16]
    const [query, key, value] = [fill(1, shape), fill(2, shape), fill(3, shape)]
    const options = { sinks: [1, -2], dropout: { rate: 0.5, seed: 3 } }
    const own = await create()
    const plan = own.plan({
      heads: 2,
      queryLength: 200,
      headDim: 16,
      workBudget: 64 * 64 * 16 * 4,
      ...options,
    })
    const result = plan.forward({
      query: own.upload(query),
      key: own.upload(key),
      value: own.upload(value),
    })
    const expected = standardAttention(query, key, value, options)
    for (const part of ['output', 'logSumExp'] as const) {
      const actual = toFloat64Array(await own.download(result[part]))
      expect(largestError(actual, toFloat64Array(expected[part]))).toBeLessThan(1e-5)
    }
    own.destroy()
  })

  afterAll(async () => (await flash)?.destroy())
})
