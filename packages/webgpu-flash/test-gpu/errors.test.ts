// Whatever goes wrong comes as a typed error, from the call that caused it.
import { describe, expect, test } from 'vitest'
import { UnsupportedError } from '@attn/core'
import type { Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill } from '../../core/test/conformance/index.ts'
import {
  createFlashAttention,
  DeviceLostError,
  GpuOutOfMemoryError,
  GpuValidationError,
  gpuTensor,
} from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()
const shape = [1, 1, 20, 8]
const sizes = { heads: 1, queryLength: 20, headDim: 8 }
const input = fill(1, shape)

async function library(): Promise<FlashAttention> {
  return createFlashAttention({ gpu: gpu! })
}

describe.skipIf(!gpu)('errors of the GPU', () => {
  test('a command that WebGPU refuses rejects what depends on it, and nothing else', async () => {
    const flash = await library()
    const other = await library()
    const foreign = other.upload(input)
    const query = flash.upload(input)
    const plan = flash.plan(sizes)
    const bad = plan.forward({ query: foreign, key: query, value: query })
    const good = plan.forward({ query, key: query, value: query })
    const next = plan.forward({ query: bad.output, key: query, value: query })
    await expect(flash.download(good.output)).resolves.toBeDefined()
    await expect(flash.download(bad.output)).rejects.toThrow(/^plan.forward: /)
    await expect(flash.download(next.output)).rejects.toThrow(GpuValidationError)
    await expect(flash.finished()).resolves.toBeUndefined()
    // The plan itself is as good as before.
    const again = plan.forward({ query, key: query, value: query })
    await expect(flash.download(again.output)).resolves.toBeDefined()
    await expect(flash.finished()).resolves.toBeUndefined()
    flash.destroy()
    other.destroy()
  })

  test('finished() tells of the first failure once', async () => {
    const flash = await library()
    const query = flash.upload(input)
    const plan = flash.plan(sizes)
    flash.release(query)
    plan.forward({ query, key: query, value: query })
    await expect(flash.finished()).rejects.toThrow(GpuValidationError)
    await expect(flash.finished()).resolves.toBeUndefined()
    flash.destroy()
  })

  test('a download that WebGPU refuses', async () => {
    const flash = await library()
    const buffer = flash.device.createBuffer({ size: 64, usage: GPUBufferUsage.STORAGE })
    const promise = flash.download(gpuTensor(buffer, [16]))
    await expect(promise).rejects.toThrow(GpuValidationError)
    await expect(promise).rejects.toThrow(/^flash.download: /)
    expect(flash.memory.allocatedBytes).toBe(0)
    flash.destroy()
  })

  test('more memory than there is', async (context) => {
    const adapter = await gpu!.requestAdapter()
    // Others have room for their largest buffer, or promise it and find it page by page, as lavapipe does.
    if (!/swiftshader/i.test(adapter!.info.architecture)) {
      context.skip('this adapter has no known end of memory')
    }
    const flash = await library()
    const { maxBufferSize } = flash.capabilities.limits
    const huge = flash.empty([Math.floor(maxBufferSize / 4)])
    const view = gpuTensor(huge.storage, shape)
    const result = flash.plan(sizes).forward({ query: view, key: view, value: view })
    await expect(flash.download(result.output)).rejects.toThrow(GpuOutOfMemoryError)
    await expect(flash.download(view)).rejects.toThrow(/^flash.empty: /)
    await expect(flash.finished()).resolves.toBeUndefined()
    flash.destroy()
  })

  test('more memory than a buffer may have', async () => {
    const flash = await library()
    const { maxBufferSize } = flash.capabilities.limits
    const tooLarge = [Math.floor(maxBufferSize / 4) + 1]
    expect(() => flash.empty(tooLarge)).toThrow(UnsupportedError)
    expect(() => flash.empty(tooLarge)).toThrow(`maxBufferSize=${maxBufferSize}`)
    expect(flash.memory.allocatedBytes).toBe(0)
    flash.destroy()
  })

  test('shapes and tensors that are none', async () => {
    const flash = await library()
    expect(() => flash.empty([2, -1])).toThrow(
      new RangeError('flash.empty: shape must be whole numbers, got [2, -1]'),
    )
    const values = new Float32Array(4) as unknown as Tensor
    expect(() => flash.upload(values)).toThrow(
      new TypeError(
        'flash.upload: source must be a tensor, which tensor(values, shape) makes, got one without a typed array',
      ),
    )
    await expect(flash.attention(input, input, fill(2, [1, 1, 21, 8]))).rejects.toThrow(
      'flash.attention: key and value lengths must match, got 20 and 21',
    )
    expect(flash.memory.allocatedBytes).toBe(0)
    flash.destroy()
  })

  test('tensors that a plan refuses cost nothing', async () => {
    const flash = await library()
    const query = flash.upload(input)
    const plan = flash.plan(sizes)
    const held = flash.memory.allocatedBytes
    const parameters = { unknown: 1 }
    expect(() => plan.forward({ query, key: query, value: query, parameters })).toThrow(RangeError)
    expect(() => plan.forward({ query, key: query, value: query, output: query })).toThrow(
      'plan.forward: output must have a buffer of its own, but shares that of query',
    )
    expect(flash.memory.allocatedBytes).toBe(held)
    flash.destroy()
  })
})

describe.skipIf(!gpu)('a lost device', () => {
  async function lostLibrary() {
    const adapter = await gpu!.requestAdapter()
    const device = await adapter!.requestDevice()
    const flash = await createFlashAttention({ device })
    const query = flash.upload(input)
    const plan = flash.plan(sizes)
    return { device, flash, plan, query, inputs: { query, key: query, value: query } }
  }

  test('rejects what was under way', async () => {
    const { device, flash, plan, inputs } = await lostLibrary()
    const { output } = plan.forward(inputs)
    const waiting = Promise.allSettled([flash.download(output), flash.finished()])
    device.destroy()
    const reasons = (await waiting).map(
      (result) => 'reason' in result && (result.reason as unknown),
    )
    expect(reasons).toEqual([expect.any(DeviceLostError), expect.any(DeviceLostError)])
  })

  test('rejects what comes at the same moment', async () => {
    const { device, flash, plan, inputs } = await lostLibrary()
    device.destroy()
    const { output } = plan.forward(inputs)
    await expect(flash.download(output)).rejects.toThrow(DeviceLostError)
    await expect(flash.finished()).rejects.toThrow(DeviceLostError)
  })

  test('throws at every later call', async () => {
    const { device, flash, plan, query, inputs } = await lostLibrary()
    const outputs = plan.createOutputs()
    const encoder = device.createCommandEncoder()
    device.destroy()
    await device.lost
    expect(() => plan.forward(inputs)).toThrow(DeviceLostError)
    expect(() => plan.forward(inputs)).toThrow(
      /^plan.forward: the GPU device was lost \(destroyed\)/,
    )
    expect(() => plan.encodeForward(encoder, { ...inputs, ...outputs })).toThrow(DeviceLostError)
    expect(() => plan.createOutputs()).toThrow(DeviceLostError)
    expect(() => flash.plan(sizes)).toThrow(DeviceLostError)
    expect(() => flash.upload(input)).toThrow(DeviceLostError)
    expect(() => flash.empty(shape)).toThrow(DeviceLostError)
    await expect(plan.compile()).rejects.toThrow(DeviceLostError)
    await expect(flash.download(query)).rejects.toThrow(DeviceLostError)
    await expect(flash.finished()).rejects.toThrow(DeviceLostError)
    await expect(flash.attention(input, input, input)).rejects.toThrow(DeviceLostError)
    flash.destroy()
  })
})

describe.skipIf(!gpu)('after destroy()', () => {
  test('a plan throws, its library goes on', async () => {
    const flash = await library()
    const query = flash.upload(input)
    const inputs = { query, key: query, value: query }
    const plan = flash.plan(sizes)
    plan.destroy()
    expect(() => plan.forward(inputs)).toThrow(
      new TypeError('plan.forward: the plan was destroyed'),
    )
    expect(plan.explain().blocks.total).toBeGreaterThan(0)
    await expect(plan.compile()).rejects.toThrow(TypeError)
    await expect(flash.attention(input, input, input)).resolves.toBeDefined()
    flash.destroy()
  })

  test('a library throws, and rejects what was under way', async () => {
    const flash = await library()
    const plan = flash.plan(sizes)
    const query = flash.upload(input)
    const { output } = plan.forward({ query, key: query, value: query })
    const download = flash.download(output)
    flash.destroy()
    flash.destroy()
    await expect(download).rejects.toThrow(DeviceLostError)
    expect(() => flash.plan(sizes)).toThrow('flash.plan: destroy() was called')
    await expect(flash.attention(input, input, input)).rejects.toThrow(DeviceLostError)
    await expect(flash.finished()).rejects.toThrow(DeviceLostError)
  })
})
