// The cache of keys and values: appended in place, turned on the way in, grown, and read by one plan
// for as long as it grows.
import { afterAll, describe, expect, test } from 'vitest'
import { cast, mask, slice, standardAttention, toFloat64Array } from '@attn/core'
import type { RotaryEmbedding, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError, transposed } from '../../core/test/conformance/index.ts'
import type { FlashAttention, KeyValueCache, KeyValueCacheOptions } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { rotaryEmbedding, rotateByDefinition } from './rotary-definition.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))
const window = mask('window', ({ query, key }) => key.le(query).and(key.gt(query.sub(9))))

describe.skipIf(!gpu).each(deviceKinds(gpu))('a cache, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  const [batch, heads, kvHeads, dim, valueDim] = [2, 4, 2, 16, 12]
  const cacheSizes = { batch, kvHeads, headDim: dim, valueDim }
  const sizes = { ...cacheSizes, heads }
  const tokens = 24
  const all = {
    query: fill(1, [batch, heads, tokens, dim], 2),
    key: fill(2, [batch, kvHeads, tokens, dim], 2),
    value: fill(3, [batch, kvHeads, tokens, valueDim]),
  }
  const rows = (view: Tensor, start: number, end: number): Tensor => slice(view, 2, start, end)

  async function append(cache: KeyValueCache, start: number, end: number): Promise<void> {
    const flash = await library()
    const key = flash.upload(rows(all.key, start, end))
    const value = flash.upload(transposed(rows(all.value, start, end)))
    cache.append({ key, value })
    flash.release(key, value)
  }

  test.each<[string, typeof causal, RotaryEmbedding | undefined]>([
    ['causal', causal, undefined],
    ['a window', window, undefined],
    ['rotary', causal, rotaryEmbedding(dim)],
  ])('a prompt, then token by token: %s', async (_name, pattern, rope) => {
    const flash = await library()
    const cache = flash.cache({ ...cacheSizes, capacity: tokens, ...(rope ? { rope } : {}) })
    const plan = flash.plan({
      ...sizes,
      queryLength: 1,
      keyLength: tokens,
      mask: pattern,
      lengths: 'call',
      ...(rope ? { rope: { query: rope } } : {}),
    })
    const turn = (view: Tensor): Tensor =>
      rope ? rotateByDefinition(view, rope, (_sequence, row) => row) : cast(view, 'float64')
    const expected = toFloat64Array(
      standardAttention(turn(all.query), turn(all.key), cast(all.value, 'float64'), {
        mask: pattern,
      }).output,
    )
    await append(cache, 0, 10)
    for (let row = 10; row < tokens; row++) {
      await append(cache, row, row + 1)
      expect(cache.lengths).toEqual([row + 1, row + 1])
      const query = flash.upload(rows(all.query, row, row + 1))
      const { output, logSumExp } = plan.forward({ query, ...cache.inputs() })
      const actual = toFloat64Array(await flash.download(output))
      const wanted = Float64Array.from(actual, (_value, i) => {
        const [plane, d] = [Math.floor(i / valueDim), i % valueDim]
        return expected[(plane * tokens + row) * valueDim + d]!
      })
      expect(largestError(actual, wanted)).toBeLessThan(1e-5)
      flash.release(query, output, logSumExp)
    }
    plan.destroy()
    cache.destroy()
  })

  test('tokens and attention of two steps in one encoder', async () => {
    const flash = await library()
    const { device } = flash
    const cache = flash.cache({ ...cacheSizes, capacity: tokens })
    const plan = flash.plan({ ...sizes, queryLength: 1, keyLength: tokens, lengths: 'call' })
    await append(cache, 0, 5)
    const encoder = device.createCommandEncoder()
    const results = [5, 6].map((row) => {
      const upload = (view: Tensor) => flash.upload(rows(view, row, row + 1))
      cache.encodeAppend(encoder, { key: upload(all.key), value: upload(all.value) })
      const outputs = plan.createOutputs()
      plan.encodeForward(encoder, { query: upload(all.query), ...cache.inputs(), ...outputs })
      return outputs.output
    })
    device.queue.submit([encoder.finish()])
    for (const [index, output] of results.entries()) {
      const row = 5 + index
      const expected = standardAttention(
        rows(all.query, row, row + 1),
        rows(all.key, 0, row + 1),
        rows(all.value, 0, row + 1),
      )
      const actual = toFloat64Array(await flash.download(output))
      expect(largestError(actual, toFloat64Array(expected.output))).toBeLessThan(1e-5)
    }
    cache.destroy()
  })

  test.each([
    ['float32', 16],
    ['float16', 16],
    ['float16', 5],
    ['bfloat16', 16],
    ['bfloat16', 5],
  ] as const)(
    'sequences of their own lengths, grown and cut back: %s, dim %i',
    async (dtype, width) => {
      const flash = await library()
      const options: KeyValueCacheOptions = { batch, kvHeads, headDim: width, capacity: 5, dtype }
      const cache = flash.cache(options)
      const shape = [batch, kvHeads, 4, width]
      const parts = [7, 8, 9].map((seed) => fill(seed, shape, 1, dtype))
      const counts = [
        [4, 1],
        [0, 4],
        [3, 2],
      ]
      const expected: number[][][] = Array.from({ length: batch * kvHeads }, () => [])
      const add = (index: number): void => {
        const tensors = flash.upload(parts[index]!)
        cache.append({ key: tensors, value: tensors, counts: counts[index]! })
        flash.release(tensors)
        const values = toFloat64Array(parts[index]!)
        expected.forEach((held, plane) => {
          for (let row = 0; row < counts[index]![Math.floor(plane / kvHeads)]!; row++) {
            const first = (plane * 4 + row) * width
            held.push(Array.from(values.subarray(first, first + width)))
          }
        })
      }
      const check = async (): Promise<void> => {
        for (const view of [cache.key, cache.value]) {
          const values = toFloat64Array(await flash.download(view))
          expected.forEach((held, plane) => {
            held.forEach((row, index) => {
              const first = (plane * cache.capacity + index) * width
              expect(Array.from(values.subarray(first, first + width))).toEqual(row)
            })
          })
        }
      }
      add(0)
      add(1)
      expect(cache.lengths).toEqual([4, 5])
      expect(() => add(2)).toThrow(
        'cache.append: the cache is full: sequence 0 holds 4 of 5 tokens, got 3 more; cache.grow or cache.truncate makes room',
      )
      expect(cache.lengths).toEqual([4, 5])
      await check()
      cache.grow(9)
      expect(cache.capacity).toBe(9)
      add(2)
      expect([cache.length(), cache.length(1)]).toEqual([7, 7])
      await check()
      cache.truncate([2, 7])
      expected.forEach((held, plane) => held.splice(plane < kvHeads ? 2 : 7))
      add(0)
      expect(cache.lengths).toEqual([6, 8])
      await check()
      cache.destroy()
    },
  )

  test('memory is accounted for and freed; what does not fit is said', async () => {
    const flash = await library()
    const before = flash.memory.allocatedBytes
    const cache = flash.cache({ ...cacheSizes, capacity: 100 })
    const held = batch * kvHeads * 100 * (dim + valueDim) * 4
    expect(flash.memory.allocatedBytes - before).toBeGreaterThanOrEqual(held)
    expect(flash.memory.allocatedBytes - before).toBeLessThan(held + 1024)
    const key = flash.upload(rows(all.key, 0, 2))
    const value = flash.upload(rows(all.value, 0, 2))
    const bad: [() => void, string][] = [
      [() => flash.cache({ kvHeads: 0, headDim: 8, capacity: 4 }), 'flash.cache: kvHeads must be'],
      [
        () => flash.cache({ ...cacheSizes, capacity: 1.5 }),
        'capacity must be a positive integer, got 1.5',
      ],
      [
        () => flash.cache({ ...cacheSizes, capacity: 4, rope: rotaryEmbedding(32) }),
        'at most headDim=16',
      ],
      [
        () => cache.append({ key, value: key }),
        'cache.append: value must have shape [2, 2, 2, 12]',
      ],
      [() => cache.append({ key, value, counts: [1] }), 'each of 2 sequences, got 1'],
      [() => cache.append({ key, value, counts: [3, 0] }), 'counts must lie in 0..2, got 3'],
      [() => cache.truncate(1), 'cache.truncate: sequence 0 holds 0 tokens, got 1'],
      [() => cache.grow(99), 'cache.grow: capacity must be an integer of at least 100, got 99'],
      [() => cache.length(2), 'cache.length: sequence must lie in 0..1, got 2'],
    ]
    for (const [wrong, message] of bad) expect(wrong).toThrow(message)
    flash.release(key, value)
    cache.destroy()
    expect(flash.memory.allocatedBytes).toBe(before)
    expect(() => cache.append({ key, value })).toThrow('cache.append: the cache was destroyed')
  })
})
