// Decoding keys and values in blocks of eight bits: a thread has an eighth or a quarter of two of them, in whole words,
// and so dims in an order of its own, in which it needs the queries and gives the output.
import { afterAll, describe, expect, test } from 'vitest'
import { cast, dequantize, mask, quantize, standardAttention, toFloat64Array } from '@attn/core'
import type { AttentionOptions, QuantizedType, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import { quantizedTensor } from '../src/index.ts'
import type { FlashAttention, GpuTensor } from '../src/index.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()
const [batch, heads, kvHeads, keyLength] = [2, 6, 2, 75]
const window = mask('window', ({ query, key }) => query.sub(key).lt(10))

describe.skipIf(!gpu).each(deviceKinds(gpu))('decoding blocks, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  async function blocks(view: Tensor, type: QuantizedType): Promise<GpuTensor> {
    const { device } = await library()
    const bytes = quantize(view, type)
    const buffer = device.createBuffer({ size: bytes.length, usage: 0x80 | 0x08 })
    device.queue.writeBuffer(buffer, 0, bytes)
    return quantizedTensor(buffer, view.shape, type)
  }

  /** The output, and what it is by the definition. */
  async function decoded(
    query: Tensor,
    types: Readonly<Record<'key' | 'value', QuantizedType>>,
    headDim: number,
    options: Pick<AttentionOptions, 'mask' | 'queryOffset'> = {},
  ): Promise<{ readonly actual: Float64Array; readonly expected: Float64Array }> {
    const flash = await library()
    const key = fill(2, [batch, kvHeads, keyLength, headDim], 2)
    const value = fill(3, [batch, kvHeads, keyLength, headDim], 1)
    const plan = flash.plan({
      batch,
      heads,
      kvHeads,
      queryLength: 1,
      keyLength,
      headDim,
      dtype: query.dtype as 'float32' | 'float16',
      ...options,
    })
    const { output } = plan.forward({
      query: flash.upload(query),
      key: await blocks(key, types.key),
      value: await blocks(value, types.value),
      quantized: types,
    })
    const actual = toFloat64Array(await flash.download(output))
    plan.destroy()
    const back = (view: Tensor, type: QuantizedType): Tensor =>
      cast(dequantize(quantize(view, type), view.shape, type), 'float64')
    const exact = standardAttention(
      cast(query, 'float64'),
      back(key, types.key),
      back(value, types.value),
      options,
    )
    return { actual, expected: toFloat64Array(exact.output) }
  }

  test.each([
    ['eighths', 'q8_0', 'q4_0', 64, 'float32'],
    ['eighths', 'q4_0', 'q8_0', 128, 'float16'],
    ['quarters', 'q8_0', 'q4_0', 512, 'float16'],
    ['quarters', 'q4_0', 'q8_0', 512, 'float32'],
  ] as const)(
    '%s: keys %s, values %s, width %d, %s',
    async (_parts, key, value, headDim, dtype) => {
      const query = fill(1, [batch, heads, 1, headDim], 2, dtype)
      const { actual, expected } = await decoded(query, { key, value }, headDim)
      // Of float32 what its sums cost, of float16 half a step of the output.
      expect(largestError(actual, expected)).toBeLessThan(dtype === 'float32' ? 2e-6 : 4e-4)
    },
  )

  // Keys before the window are not bound, so that rows are counted from below zero.
  test.each([
    ['q8_0', 64],
    ['q8_0', 96],
    ['q4_0', 64],
  ] as const)('the last keys alone: %s, width %d', async (type, headDim) => {
    const query = fill(1, [batch, heads, 1, headDim], 2, 'float32')
    const options = { mask: window, queryOffset: keyLength - 1 }
    const types = { key: type, value: type }
    const { actual, expected } = await decoded(query, types, headDim, options)
    expect(largestError(actual, expected)).toBeLessThan(2e-6)
  })
})
