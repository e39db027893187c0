// What callers do with plans: their own encoders and buffers, views, parameters, memory.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  contiguousStrides,
  floatParameter,
  integerParameter,
  mask,
  permute,
  scoreModifier,
  slice,
  standardAttention,
  toFloat64Array,
} from '@attn/core'
import type { AttentionOptions, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import { createFlashAttention, gpuTensor } from '../src/index.ts'
import type { FlashAttention, ForwardOutputs, GpuTensor } from '../src/index.ts'
import { limitDevice } from './limited-device.ts'

const gpu = await acquireGpu()

const tolerance = 1e-5
const shape = [1, 2, 70, 16]
const sizes = { heads: 2, queryLength: 70, headDim: 16 }
const causal = mask('causal', ({ query, key }) => key.le(query))
const width = integerParameter('width', { minimum: 1, maximum: 70 })
const strength = floatParameter('strength', { minimum: -2, maximum: 2 })
const window = mask('window', ({ query, key }) => query.sub(key).abs().lt(width))
const slope = scoreModifier('slope', (score, { query, key }) =>
  score.sub(query.sub(key).abs().toFloat().mul(strength)),
)

describe.skipIf(!gpu)('a plan', () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu! })
  })
  afterAll(() => flash.destroy())

  const inputs = [fill(1, shape), fill(2, shape), fill(3, shape)] as const
  const uploaded = (): Record<'query' | 'key' | 'value', GpuTensor> => ({
    query: flash.upload(inputs[0]),
    key: flash.upload(inputs[1]),
    value: flash.upload(inputs[2]),
  })

  /** How far a result is from the CPU's. */
  async function errorOf(
    result: ForwardOutputs,
    [query, key, value]: readonly [Tensor, Tensor, Tensor],
    options: AttentionOptions = {},
  ): Promise<number> {
    const expected = standardAttention(query, key, value, options)
    const errors = (['output', 'logSumExp'] as const).map(async (part) =>
      largestError(
        toFloat64Array(await flash.download(result[part])),
        toFloat64Array(expected[part]),
      ),
    )
    return Math.max(...(await Promise.all(errors)))
  }

  test('writes into the tensors it is given, both or one', async () => {
    const plan = flash.plan(sizes)
    const tensors = uploaded()
    const given = plan.createOutputs()
    const both = plan.forward({ ...tensors, ...given })
    expect(both.output).toBe(given.output)
    expect(both.logSumExp).toBe(given.logSumExp)
    expect(await errorOf(both, inputs)).toBeLessThan(tolerance)

    const held = flash.memory.allocatedBytes
    const one = plan.forward({ ...tensors, output: flash.empty(shape) })
    const outputBytes = 2 * 70 * 16 * 4
    expect(flash.memory.allocatedBytes).toBe(held + outputBytes + 2 * 70 * 4)
    expect(await errorOf(one, inputs)).toBeLessThan(tolerance)

    // A view with the heads of a token side by side, as the next layer wants it.
    const buffer = flash.empty([1, 70, 2, 16])
    const tokensOutside = permute(buffer, [0, 2, 1, 3])
    expect(await errorOf(plan.forward({ ...tensors, output: tokensOutside }), inputs)).toBeLessThan(
      tolerance,
    )
  })

  test('is encoded by the caller, among other commands and other plans', async () => {
    const plain = flash.plan(sizes)
    const masked = flash.plan({ ...sizes, mask: causal })
    const tensors = uploaded()
    const first = plain.createOutputs()
    const second = plain.createOutputs()
    const third = masked.createOutputs()
    const { query, key, value } = tensors
    const encoder = flash.device.createCommandEncoder()
    plain.encodeForward(encoder, { ...tensors, ...first })
    masked.encodeForward(encoder, { query: key, key: value, value: query, ...third })
    // The first result is an input of the last.
    plain.encodeForward(encoder, { query: first.output, key, value, ...second })
    flash.device.queue.submit([encoder.finish()])
    expect(await errorOf(first, inputs)).toBeLessThan(tolerance)
    expect(await errorOf(third, [inputs[1], inputs[2], inputs[0]], { mask: causal })).toBeLessThan(
      tolerance,
    )
    const between = await flash.download(first.output)
    expect(await errorOf(second, [between, inputs[1], inputs[2]])).toBeLessThan(tolerance)
    await flash.finished()
  })

  test('reads views of one buffer: query, key and value packed by token', async () => {
    const packed = fill(4, [2, 70, 3, 2, 16]) // [B, L, 3, H, D]
    const buffer = flash.device.createBuffer({
      size: 1024 + packed.storage.byteLength,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    })
    flash.device.queue.writeBuffer(buffer, 1024, packed.storage as Float32Array<ArrayBuffer>)
    const cut = (part: number) => {
      const one = slice(packed, 2, part, part + 1)
      const onCpu = { ...one, shape: [2, 70, 2, 16], strides: one.strides.toSpliced(2, 1) }
      return permute(onCpu, [0, 2, 1, 3])
    }
    const views = [cut(0), cut(1), cut(2)] as const
    const onGpu = (view: Tensor): GpuTensor =>
      gpuTensor(buffer, view.shape, { strides: view.strides, offset: 256 + view.offset })
    const [query, key, value] = views.map(onGpu) as [GpuTensor, GpuTensor, GpuTensor]
    const plan = flash.plan({ ...sizes, batch: 2, mask: causal })
    expect(
      await errorOf(plan.forward({ query, key, value }), views, { mask: causal }),
    ).toBeLessThan(tolerance)
    buffer.destroy()
  })

  test('reads a key cache that is longer than it says, and one head for all', async () => {
    const cache = fill(5, [1, 1, 128, 16])
    const onGpu = flash.upload(cache)
    const [query] = inputs
    const keys = slice(cache, 2, 3, 103)
    const plan = flash.plan({ ...sizes, kvHeads: 1, keyLength: 100 })
    const view = gpuTensor(onGpu.storage, keys.shape, {
      strides: keys.strides,
      offset: keys.offset,
    })
    const result = plan.forward({ query: flash.upload(query), key: view, value: view })
    expect(await errorOf(result, [query, keys, keys])).toBeLessThan(tolerance)
  })

  test('takes parameters anew with each call', async () => {
    const plan = flash.plan({ ...sizes, mask: window, scoreModifiers: [slope] })
    const tensors = uploaded()
    const calls = [
      { width: 5, strength: 0.5 },
      { width: 60, strength: -0.25 },
      { width: 5, strength: 0.5 },
    ]
    const results = calls.map((parameters) => plan.forward({ ...tensors, parameters }))
    for (const [index, parameters] of calls.entries()) {
      const options = { mask: window, scoreModifiers: [slope], parameters }
      expect(await errorOf(results[index]!, inputs, options)).toBeLessThan(tolerance)
    }
  })

  test('gives back all it held, its library too', async () => {
    const own = await createFlashAttention({ gpu: gpu! })
    expect(own.memory).toEqual({ allocatedBytes: 0, peakBytes: 0 })
    const plan = own.plan({ ...sizes, mask: window })
    const query = own.upload(inputs[0])
    // More layouts and parameters than are kept.
    for (let width_ = 1; width_ <= 70; width_++) {
      const parameters = { width: width_ }
      const { output, logSumExp } = plan.forward({ query, key: query, value: query, parameters })
      own.release(output, logSumExp)
    }
    await own.finished()
    expect(own.memory.allocatedBytes).toBeLessThan(64 * 1024)
    plan.destroy()
    plan.destroy()
    own.release(query)
    own.release(query)
    expect(own.memory.allocatedBytes).toBe(0)
    expect(own.memory.peakBytes).toBeGreaterThan(0)
    own.resetPeakMemory()
    expect(own.memory.peakBytes).toBe(0)
    await own.attention(...inputs, { mask: causal })
    expect(own.memory.allocatedBytes).toBe(0)
    own.empty([1, 1, 4, 4])
    own.plan(sizes)
    own.destroy()
    expect(own.memory.allocatedBytes).toBe(0)
  })

  test('leaves a device of the caller alone', async () => {
    const adapter = await gpu!.requestAdapter()
    const device = await adapter!.requestDevice()
    const first = await createFlashAttention({ device })
    await first.attention(...inputs)
    first.destroy()
    const second = await createFlashAttention({ device })
    const { output } = await second.attention(...inputs)
    expect(output.strides).toEqual(contiguousStrides(shape))
    second.destroy()
    device.destroy()
  })

  test('compiles ahead of its first call, and once', async () => {
    const adapter = await gpu!.requestAdapter()
    const limited = limitDevice(await adapter!.requestDevice())
    const { device } = limited
    const own = await createFlashAttention({ device })
    const plan = own.plan(sizes)
    await Promise.all([plan.compile(), plan.compile()])
    expect(limited.count('createComputePipelineAsync')).toBe(1)
    const query = own.upload(inputs[0])
    plan.forward({ query, key: query, value: query })
    own
      .plan({ ...sizes, queryLength: 70, keyLength: 70 })
      .forward({ query, key: query, value: query })
    await own.finished()
    expect(limited.count('createComputePipeline')).toBe(0)
    own.destroy()
    device.destroy()
  })
})
