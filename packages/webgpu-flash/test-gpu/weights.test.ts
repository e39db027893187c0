// Attention weights on the GPU: the suite that every backend runs, what is cut into several dispatches,
// and what is refused.
import { afterAll, describe, expect, test } from 'vitest'
import { attentionWeights, mask, slice, standardAttention, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { describeWeights, fill, largestError } from '../../core/test/conformance/index.ts'
import type { FlashAttention, GpuTensor } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { rotaryEmbedding, rotateByDefinition } from './rotary-definition.ts'
import { weightsOnDevice } from './weights-on-device.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))

describe.skipIf(!gpu).each(deviceKinds(gpu))('%s', (name, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  describeWeights(name, async (query, key, options, choice) =>
    weightsOnDevice(await library(), query, key, options, choice),
  )

  const sizes = { heads: 3, queryLength: 70, headDim: 8 }
  const query = fill(1, [1, 3, 70, 8], 2)
  const key = fill(2, [1, 3, 70, 8], 2)

  /** Uploads, runs the forward pass, and hands over to `use`. */
  async function withPlan<T>(
    options: Partial<Parameters<FlashAttention['plan']>[0]>,
    use: (
      flash: FlashAttention,
      plan: ReturnType<FlashAttention['plan']>,
      inputs: { query: GpuTensor; key: GpuTensor; logSumExp: GpuTensor },
    ) => Promise<T>,
  ): Promise<T> {
    const flash = await library()
    const plan = flash.plan({ ...sizes, ...options })
    const [q, k] = [flash.upload(query), flash.upload(key)]
    const { output, logSumExp } = plan.forward({ query: q, key: k, value: k })
    try {
      return await use(flash, plan, { query: q, key: k, logSumExp })
    } finally {
      flash.release(q, k, output, logSumExp)
      plan.destroy()
    }
  }

  test.each(['none', 'sum over queries', 'maximum', 'mean over heads'] as const)(
    'cut by the budget of work: %s',
    async (reduce) => {
      const budget = { mask: causal, workBudget: 1e5 }
      const choice = { heads: [2, 0], queries: [3, 69], reduce } as const
      const result = await withPlan(budget, async (flash, plan, inputs) =>
        flash.download(plan.weights({ ...inputs, ...choice })),
      )
      const expected = attentionWeights(query, key, { mask: causal, ...choice })
      expect(result.shape).toEqual(expected.shape)
      expect(largestError(result.storage, expected.storage)).toBeLessThan(2e-5)
    },
  )

  test('takes no more memory than what it returns, and its words', async () => {
    await withPlan({}, async (flash, plan, inputs) => {
      plan.weights({ ...inputs, reduce: 'sum over queries' })
      const before = flash.memory.allocatedBytes
      flash.resetPeakMemory()
      const result = plan.weights({ ...inputs, heads: [1], reduce: 'mean over heads' })
      expect(result.storage.size).toBe(4 * 70 * 70)
      expect(flash.memory.peakBytes - before).toBeLessThan(4 * 70 * 70 + 4096)
      flash.release(result)
    })
  })

  test('into a tensor of the caller, in his encoder, the same bit for bit', async () => {
    await withPlan({ mask: causal }, async (flash, plan, inputs) => {
      const weights = flash.empty([1, 3, 70])
      const choice = { reduce: 'sum over queries' } as const
      const encoder = flash.device.createCommandEncoder()
      plan.encodeWeights(encoder, { ...inputs, ...choice, weights })
      flash.device.queue.submit([encoder.finish()])
      const again = plan.weights({ ...inputs, ...choice })
      expect(await flash.download(weights)).toEqual(await flash.download(again))
      flash.release(weights, again)
    })
  })

  test('of queries and keys that the plan turns by their positions', async () => {
    const rope = rotaryEmbedding(8)
    const result = await withPlan({ mask: causal, rope }, async (flash, plan, inputs) =>
      flash.download(plan.weights(inputs)),
    )
    const turned = (view: Tensor) => rotateByDefinition(view, rope, (_sequence, row) => row)
    const expected = attentionWeights(turned(query), turned(key), { mask: causal })
    expect(largestError(result.storage, toFloat64Array(expected))).toBeLessThan(2e-5)
  })

  test('over a cache that grows: what the last query gives to each token', async () => {
    const flash = await library()
    const cache = flash.cache({ kvHeads: 3, headDim: 8, capacity: 100 })
    const plan = flash.plan({
      heads: 3,
      queryLength: 1,
      keyLength: 100,
      headDim: 8,
      mask: causal,
      lengths: 'call',
    })
    for (const [start, end] of [
      [0, 40],
      [40, 70],
    ] as const) {
      const rows = flash.upload(slice(key, 2, start, end))
      cache.append({ key: rows, value: rows })
      const last = flash.upload(slice(query, 2, end - 1, end))
      const { output, logSumExp } = plan.forward({ query: last, ...cache.inputs() })
      const result = plan.weights({ query: last, ...cache.inputs(), logSumExp })
      const expected = attentionWeights(slice(query, 2, end - 1, end), slice(key, 2, 0, end))
      const given = await flash.download(result)
      expect(
        largestError(toFloat64Array(slice(given, 3, 0, end)), toFloat64Array(expected)),
      ).toBeLessThan(2e-5)
      expect(toFloat64Array(slice(given, 3, end, given.shape[3]!)).every((one) => one === 0)).toBe(
        true,
      )
      flash.release(rows, last, output, logSumExp, result)
    }
    cache.destroy()
    plan.destroy()
  })

  test('the largest score of each row, beside the output', async () => {
    const sinks = [900, -2, 0]
    const value = fill(3, [1, 3, 70, 8])
    const flash = await library()
    const options = {
      mask: mask('late', (at) => at.key.le(at.query.sub(40))),
      sinks,
      rowMaximum: true,
    }
    const { rowMaximum } = await flash.attention(query, key, value, options)
    const expected = standardAttention(query, key, value, options).rowMaximum!
    expect(rowMaximum!.shape).toEqual([1, 3, 70])
    expect(largestError(rowMaximum!.storage, expected.storage)).toBeLessThan(1e-5)
    await withPlan({ workBudget: 1e5 }, async (_, plan, { query: q, key: k }) => {
      const {
        output,
        logSumExp,
        rowMaximum: largest,
      } = plan.forward({ query: q, key: k, value: k, rowMaximum: true })
      const whole = standardAttention(query, key, key, { rowMaximum: true }).rowMaximum!
      expect(largestError((await flash.download(largest!)).storage, whole.storage)).toBeLessThan(
        1e-5,
      )
      flash.release(output, logSumExp, largest!)
      expect(plan.forward({ query: q, key: k, value: k })).not.toHaveProperty('rowMaximum')
    })
  })

  test('refuses what does not fit', async () => {
    await withPlan({}, async (flash, plan, inputs) => {
      const refuses = (more: object, message: RegExp) =>
        expect(() => plan.weights({ ...inputs, ...more })).toThrow(message)
      refuses({ logSumExp: undefined }, /^plan\.weights: logSumExp must be a tensor in a GPUBuffer/)
      refuses({ heads: [3] }, /^plan\.weights: heads must be a list of query heads in 0\.\.2/)
      refuses({ queries: [0, 71] }, /^plan\.weights: queries must be \[start, end\]/)
      refuses({ rows: 3 }, /there is no option rows/)
      refuses({ keyLengths: [3] }, /keyLengths belongs to the plan/)
      const weights = flash.empty([1, 3, 70])
      refuses({ weights }, /^plan\.weights: weights must have shape \[1, 3, 70, 70\]/)
      refuses(
        { reduce: 'maximum', weights: { ...weights, strides: [210, 1, 3] } },
        /must be contiguous/,
      )
      refuses(
        { reduce: 'maximum', weights: { ...inputs.logSumExp } },
        /weights must have a buffer of its own/,
      )
      expect(() =>
        plan.encodeWeights(flash.device.createCommandEncoder(), inputs as never),
      ).toThrow(/^plan\.encodeWeights: weights must be a tensor to write, got none/)
      flash.release(weights)
    })
  })
})
