// Prompts of unequal lengths in one batch, padded on the right, through a cache: the obvious call is right.
// And caches that outgrow their plans, or the device's memory.
import { afterAll, describe, expect, test } from 'vitest'
import { mask, slice, standardAttention, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'
import { rotaryEmbedding, rotateByDefinition } from './rotary-definition.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))
const window = mask('window', ({ query, key }) => key.le(query).and(key.gt(query.sub(3))))

const [batch, heads, kvHeads, dim, rows] = [3, 4, 2, 8, 6]
const cacheSizes = { batch, kvHeads, headDim: dim }
const sizes = { ...cacheSizes, heads }
const prompt = {
  query: fill(1, [batch, heads, rows, dim], 2),
  key: fill(2, [batch, kvHeads, rows, dim], 2),
  value: fill(3, [batch, kvHeads, rows, dim]),
}

/** Of a sequence alone, its tokens from `start` on, over all of them. */
function alone(
  sequence: number,
  length: number,
  start: number,
  pattern: typeof causal,
  turn: (view: Tensor) => Tensor = (view) => view,
): Float64Array {
  const part = (view: Tensor, from: number): Tensor =>
    slice(slice(view, 0, sequence, sequence + 1), 2, from, length)
  return toFloat64Array(
    standardAttention(
      slice(turn(part(prompt.query, 0)), 2, start, length),
      turn(part(prompt.key, 0)),
      part(prompt.value, 0),
      { mask: pattern },
    ).output,
  )
}

/** Rows of one sequence of an output `[B, H, L, D]`. */
function rowsOf(output: Tensor, sequence: number, from: number, to: number): Float64Array {
  return toFloat64Array(slice(slice(output, 0, sequence, sequence + 1), 2, from, to))
}

describe.skipIf(!gpu)('prompts of unequal lengths', () => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= createFlashAttention({ gpu: gpu! }))
  afterAll(async () => (await created)?.destroy())

  test.each([
    ['causal', causal, false],
    ['a window', window, false],
    ['causal, rotary', causal, true],
  ] as const)('padded on the right: %s', async (_name, pattern, rotary) => {
    const flash = await library()
    const rope = rotaryEmbedding(dim)
    const turn = (view: Tensor): Tensor =>
      rotary ? rotateByDefinition(view, rope, (_sequence, row) => row) : view
    const lengths = [2, 6, 5]
    const cache = flash.cache({ ...cacheSizes, capacity: 12, ...(rotary ? { rope } : {}) })
    const options = {
      ...sizes,
      keyLength: 12,
      mask: pattern,
      lengths: 'call',
      ...(rotary ? { rope: { query: rope } } : {}),
    } as const
    const plan = flash.plan({ ...options, queryLength: rows })
    const [query, key, value] = [prompt.query, prompt.key, prompt.value].map((view) =>
      flash.upload(view),
    )
    cache.append({ key: key!, value: value!, counts: lengths })
    const { output } = plan.forward({ query: query!, ...cache.inputs() })
    const actual = await flash.download(output)
    lengths.forEach((length, sequence) => {
      const expected = alone(sequence, length, 0, pattern, turn)
      expect(largestError(rowsOf(actual, sequence, 0, length), expected)).toBeLessThan(1e-5)
    })

    // A second part with padding: the next tokens of the short prompts.
    const more = [2, 1, 1]
    const next = [key!, value!].map((view) => slice(view, 2, 2, 4))
    const wide = flash.cache({ ...cacheSizes, capacity: 12, ...(rotary ? { rope } : {}) })
    const first = [key!, value!].map((view) => slice(view, 2, 0, 2))
    wide.append({ key: first[0]!, value: first[1]! })
    wide.append({ key: next[0]!, value: next[1]!, counts: more })
    const second = flash.plan({ ...options, queryLength: 2 })
    const result = second.forward({ query: slice(query!, 2, 2, 4), ...wide.inputs() })
    const later = await flash.download(result.output)
    more.forEach((count, sequence) => {
      const expected = alone(sequence, 2 + count, 2, pattern, turn)
      expect(largestError(rowsOf(later, sequence, 0, count), expected)).toBeLessThan(1e-5)
    })
    // Four queries after padding could stand at either end.
    const four = flash.plan({ ...options, queryLength: 4 })
    expect(() => four.forward({ query: slice(query!, 2, 0, 4), ...wide.inputs() })).toThrow(
      'plan.forward: the cache was last given 2 rows with padding, so it cannot tell where 4 queries stand; give queryOffset',
    )
    const told = four.forward({
      query: slice(query!, 2, 0, 4),
      ...wide.inputs(),
      queryOffset: 0,
    })
    const whole = await flash.download(told.output)
    expect(largestError(rowsOf(whole, 0, 0, 4), alone(0, 4, 0, pattern, turn))).toBeLessThan(1e-5)
    for (const made of [cache, wide, plan, second, four]) made.destroy()
  })

  test('a cache that outgrew its plan serves while its lengths fit', async () => {
    const flash = await library()
    const cache = flash.cache({ ...cacheSizes, capacity: 7 })
    const plan = flash.plan({
      ...sizes,
      queryLength: 1,
      keyLength: 7,
      mask: causal,
      lengths: 'call',
    })
    const [query, key, value] = [prompt.query, prompt.key, prompt.value].map((view) =>
      flash.upload(view),
    )
    cache.append({ key: key!, value: value! })
    cache.grow(20)
    const last = slice(query!, 2, rows - 1, rows)
    const { output } = plan.forward({ query: last, ...cache.inputs() })
    const actual = await flash.download(output)
    expect(largestError(rowsOf(actual, 1, 0, 1), alone(1, rows, rows - 1, causal))).toBeLessThan(
      1e-5,
    )
    cache.append({ key: slice(key!, 2, 0, 2), value: slice(value!, 2, 0, 2) })
    expect(() => plan.forward({ query: last, ...cache.inputs() })).toThrow(
      /keyLengths must lie in 0..7, got 8/,
    )
    cache.destroy()
    plan.destroy()
  })

  test('steps recorded in encoders leave no buffer each', async () => {
    const flash = await library()
    const rope = rotaryEmbedding(dim)
    const cache = flash.cache({ ...cacheSizes, capacity: 600, rope })
    const plan = flash.plan({
      ...sizes,
      queryLength: 1,
      keyLength: 600,
      lengths: 'call',
      rope: { query: rope },
    })
    const [query, key] = [
      flash.empty([batch, heads, 1, dim]),
      flash.empty([batch, kvHeads, 1, dim]),
    ]
    const outputs = plan.createOutputs()
    const createBuffer = flash.device.createBuffer.bind(flash.device)
    let made = 0
    Object.assign(flash.device, {
      createBuffer: (descriptor: GPUBufferDescriptor) => {
        if (descriptor.label === 'attn places of tokens') made++
        if (descriptor.label === 'attn positions') made++
        return createBuffer(descriptor)
      },
    })
    for (let step = 0; step < 520; step++) {
      if (step === 8) made = 0
      const encoder = flash.device.createCommandEncoder()
      cache.encodeAppend(encoder, { key, value: key })
      plan.encodeForward(encoder, { query, ...cache.inputs(), ...outputs })
      flash.device.queue.submit([encoder.finish()])
    }
    await flash.finished()
    Object.assign(flash.device, { createBuffer })
    // One in 256 steps for the cache, and one for the plan.
    expect(made).toBe(4)
    cache.destroy()
    plan.destroy()
  })
})

describe.skipIf(!gpu)('a device without memory for a larger cache', () => {
  /** A device whose buffers of a label fail as WebGPU says they do, when told to. */
  async function device(): Promise<{ device: GPUDevice; fail: (label?: string) => void }> {
    const raw = await (await gpu!.requestAdapter())!.requestDevice()
    let failing: string | undefined
    const scopes: { filter: string; error?: { message: string } }[] = []
    const own = {
      pushErrorScope: (filter: GPUErrorFilter) => {
        scopes.push({ filter })
        raw.pushErrorScope(filter)
      },
      popErrorScope: async () => {
        const scope = scopes.pop()!
        const real = await raw.popErrorScope()
        return scope.error ?? real
      },
      createBuffer: (descriptor: GPUBufferDescriptor) => {
        if (descriptor.label !== failing) return raw.createBuffer(descriptor)
        const scope = scopes.toReversed().find(({ filter }) => filter === 'out-of-memory')!
        scope.error ??= { message: 'no memory, says this test' }
        // An invalid buffer, as one that could not be had is.
        return raw.createBuffer({ ...descriptor, usage: 0x1 | 0x80 })
      },
    }
    const proxy = new Proxy(raw, {
      get: (target, name) => {
        const value: unknown = Object.hasOwn(own, name)
          ? own[name as keyof typeof own]
          : Reflect.get(target, name, target)
        return typeof value === 'function' ? (value as () => void).bind(target) : value
      },
    })
    return { device: proxy, fail: (label) => (failing = label && `attn ${label}`) }
  }

  test.each(['key cache', 'value cache'])('keeps its tokens: %s', async (label) => {
    const { device: made, fail } = await device()
    const flash = await createFlashAttention({ device: made })
    const cache = flash.cache({ ...cacheSizes, capacity: rows + 1 })
    const [query, key, value] = [prompt.query, prompt.key, prompt.value].map((view) =>
      flash.upload(view),
    )
    cache.append({ key: key!, value: value! })
    await flash.finished()
    const before = flash.memory.allocatedBytes
    fail(label)
    cache.grow(40)
    fail()
    // Tokens that come before the news are lost with the buffers they went to.
    const one = { key: slice(key!, 2, 0, 1), value: slice(value!, 2, 0, 1) }
    cache.append(one)
    cache.grow(80)
    await expect(flash.finished()).rejects.toThrow(/cache.grow: no memory, says this test/)
    await flash.finished().catch(() => undefined)
    expect(cache.capacity).toBe(rows + 1)
    expect(cache.lengths).toEqual([rows, rows, rows])
    expect(flash.memory.allocatedBytes).toBe(before)
    const plan = flash.plan({
      ...sizes,
      queryLength: 1,
      keyLength: 90,
      mask: causal,
      lengths: 'call',
    })
    const step = async (): Promise<Tensor> => {
      const last = slice(query!, 2, rows - 1, rows)
      return flash.download(plan.forward({ query: last, ...cache.inputs() }).output)
    }
    const expected = alone(2, rows, rows - 1, causal)
    expect(largestError(rowsOf(await step(), 2, 0, 1), expected)).toBeLessThan(1e-5)
    // And once there is memory, it grows.
    cache.grow(40)
    expect(largestError(rowsOf(await step(), 2, 0, 1), expected)).toBeLessThan(1e-5)
    await flash.finished()
    cache.append(one)
    expect(cache.capacity).toBe(40)
    flash.destroy()
  })
})
