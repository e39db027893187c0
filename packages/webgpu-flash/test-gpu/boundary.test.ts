// What the library on a device refuses: missing arguments, options that are not known, tensors that contradict
// themselves, plans that are gone, devices that are.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tensorFrom, zeros } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention, DeviceLostError, gpuTensor } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()
const x = zeros([1, 1, 3, 4])
const sizes = { heads: 1, queryLength: 3, headDim: 4 }
/** What JavaScript may pass where TypeScript would not. */
const any = (value: unknown): never => value as never

describe.skipIf(!gpu)('the library on a device', () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu! })
  })
  afterAll(() => flash.destroy())

  test('refuses null and what is missing with errors of its own', async () => {
    const forward = await flash.attention(x, x, x)
    await expect(flash.attention(any(null), x, x)).rejects.toThrow('flash.attention: query must be')
    await expect(flash.attention(x, x, x, any(null))).rejects.toThrow(
      'flash.attention: options must be an object, got null',
    )
    await expect(flash.attentionBackward(x, x, x, any(x), x)).rejects.toThrow(
      'the arguments are (query, key, value, forward, dOutput, options)',
    )
    await expect(flash.attentionBackward(x, x, x, forward, any(undefined))).rejects.toThrow(
      'flash.attentionBackward: dOutput must be a tensor',
    )
    await expect(createFlashAttention(any(null))).rejects.toThrow('createFlashAttention: options')
    await expect(flash.download(any(null))).rejects.toThrow('flash.download: source must be')
    await expect(flash.tune(any(null))).rejects.toThrow('flash.tune: options must be an object')
    expect(() => flash.plan(any(undefined))).toThrow('flash.plan: options must be an object')
    expect(() => flash.cache(any(null))).toThrow('flash.cache: options must be an object')
    expect(() => flash.upload(any(null))).toThrow('flash.upload: source must be a tensor')
    expect(() => flash.empty(any(null))).toThrow('flash.empty: shape must be')
    expect(() => flash.rotate(any(null), any(null))).toThrow('flash.rotate: need shape')
    expect(() => flash.release(any(null))).toThrow('flash.release: need tensors, got null')
  })

  test('refuses options that it does not know', async () => {
    await expect(flash.attention(x, x, x, any({ isCausal: true }))).rejects.toThrow(
      new TypeError(
        'flash.attention: there is no option isCausal; write mask: causal() of @attn/masks',
      ),
    )
    await expect(createFlashAttention(any({ devices: 1 }))).rejects.toThrow('did you mean device?')
    expect(() => flash.cache(any({ heads: 2, headDim: 4, capacity: 8 }))).toThrow('write kvHeads')
    const buffer = flash.empty([4]).storage
    expect(() => gpuTensor(buffer, [4], any({ type: 'float16' }))).toThrow(TypeError)
    const plan = flash.plan(sizes)
    const view = flash.upload(x)
    const inputs = { query: view, key: view, value: view }
    expect(() => plan.forward(any({ ...inputs, mask: 1 }))).toThrow(
      'plan.forward: there is no option mask; write it where the plan is made',
    )
    plan.destroy()
  })

  test('refuses tensors that contradict themselves', async () => {
    const wrong = { ...x, storage: Float64Array.from(x.storage) }
    await expect(flash.attention(wrong, x, x)).rejects.toThrow('must be a Float32Array')
    await expect(flash.attention({ ...x, offset: 100 }, x, x)).rejects.toThrow(RangeError)
    await expect(flash.attention(any({ ...x, dtype: 'bfloat16' }), x, x)).rejects.toThrow(TypeError)
    const gone = tensorFrom(x.storage, x.shape)
    structuredClone(gone.storage.buffer, { transfer: [gone.storage.buffer] })
    expect(() => flash.upload(gone)).toThrow('was its buffer transferred?')
    const plan = flash.plan(sizes)
    const view = flash.upload(x)
    const inputs = { query: view, key: view, value: view }
    const output = { ...flash.empty([1, 1, 3, 4]), strides: [12, 12, 0, 1] }
    expect(() => plan.forward({ ...inputs, output })).toThrow('a place of its own for each element')
    expect(() => plan.forward({ ...inputs, query: { ...view, offset: 0.5 } })).toThrow(RangeError)
    plan.destroy()
  })

  test('what gradients need is there when it was asked for, and for calls that load it', async () => {
    const held = flash.memory.allocatedBytes
    const refusal =
      'flash.plan: training: true needs a library made by createFlashAttention({ training: true })'
    expect(() => flash.plan({ ...sizes, training: true })).toThrow(refusal)
    const forward = await flash.attention(x, x, x)
    const { dQuery } = await flash.attentionBackward(x, x, x, forward, x)
    expect(dQuery.shape).toEqual(x.shape)
    // Whether some call has loaded it changes nothing: programs fail where they are wrong, not now and then.
    expect(() => flash.plan({ ...sizes, training: true })).toThrow(refusal)
    expect(flash.memory.allocatedBytes).toBe(held)
    const trains = await createFlashAttention({ device: flash.device, training: true })
    trains.plan({ ...sizes, training: true }).destroy()
    expect(() => flash.plan(sizes).createGradients()).toThrow(
      'plan.createGradients: the plan must be made with training: true',
    )
  })

  test('a destroyed plan makes no outputs, a lost device compiles nothing', async () => {
    const own = await createFlashAttention({ gpu: gpu!, training: true })
    const destroyed = own.plan(sizes)
    destroyed.destroy()
    expect(() => destroyed.createOutputs()).toThrow(
      new TypeError('plan.createOutputs: the plan was destroyed'),
    )
    const plan = own.plan({ ...sizes, queryLength: 30, training: true })
    const compiled = plan.compile()
    own.device.destroy()
    await expect(compiled).rejects.toThrow(DeviceLostError)
    own.destroy()
  })
})
