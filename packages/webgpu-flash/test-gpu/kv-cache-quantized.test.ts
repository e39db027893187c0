// Caches of quantised keys and values: appended as blocks that ggml could read, and read as such. What is
// computed is the attention of what the blocks stand for.
import { afterAll, describe, expect, test } from 'vitest'
import {
  cast,
  dequantize,
  mask,
  quantize,
  quantizedBytes,
  slice,
  standardAttention,
  tensor,
  toFloat64Array,
} from '@attn/core'
import type { DType, QuantizedType, RotaryEmbedding, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError, transposed } from '../../core/test/conformance/index.ts'
import { quantizedTensor } from '../src/index.ts'
import type { FlashAttention, GpuTensor, QuantizedParts } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { rotaryEmbedding, rotateByDefinition } from './rotary-definition.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))
const rows = (view: Tensor, start: number, end: number): Tensor => slice(view, 2, start, end)

describe.skipIf(!gpu).each(deviceKinds(gpu))('a quantised cache, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  /** The blocks of a cache's tensor `[B, Hkv, rows, words]`, of so many rows. */
  async function blocksOf(view: GpuTensor, length: number): Promise<Uint8Array> {
    const flash = await library()
    const words = await flash.download(slice(view, 2, 0, length))
    const { storage } = words as { storage: Uint16Array<ArrayBuffer> }
    return new Uint8Array(storage.buffer, storage.byteOffset, storage.byteLength)
  }

  interface Case {
    readonly name: string
    readonly quantized: QuantizedParts
    readonly dim: number
    readonly valueDim: number
    readonly dtype: DType
    readonly rope?: RotaryEmbedding
  }
  const both = (type: QuantizedType): QuantizedParts => ({ key: type, value: type })
  const cases: readonly Case[] = [
    { name: 'q8_0', quantized: both('q8_0'), dim: 64, valueDim: 64, dtype: 'float32' },
    { name: 'q4_0', quantized: both('q4_0'), dim: 64, valueDim: 64, dtype: 'float32' },
    {
      name: 'q8_0, rotary',
      quantized: both('q8_0'),
      dim: 64,
      valueDim: 64,
      dtype: 'float32',
      rope: rotaryEmbedding(64),
    },
    {
      name: 'q4_0, rotary in part',
      quantized: both('q4_0'),
      dim: 128,
      valueDim: 128,
      dtype: 'float16',
      rope: { ...rotaryEmbedding(64), layout: 'interleaved' },
    },
    {
      name: 'rows of an odd number of blocks',
      quantized: { key: 'q8_0', value: 'q4_0' },
      dim: 96,
      valueDim: 32,
      dtype: 'float32',
    },
    {
      name: 'narrower values',
      quantized: { key: 'q4_0', value: 'q8_0' },
      dim: 128,
      valueDim: 64,
      dtype: 'float32',
    },
    {
      name: 'narrower values, of four bits',
      quantized: { key: 'q8_0', value: 'q4_0' },
      dim: 128,
      valueDim: 64,
      dtype: 'float16',
    },
    {
      name: 'keys alone',
      quantized: { key: 'q8_0' },
      dim: 256,
      valueDim: 20,
      dtype: 'float16',
    },
  ]

  test.each(cases.map((each) => [each.name, each] as const))(
    'appended and read: %s',
    async (_name, { quantized, dim, valueDim, dtype, rope }) => {
      const flash = await library()
      const [batch, heads, kvHeads, total] = [2, 4, 2, 45]
      const sizes = { batch, kvHeads, headDim: dim, valueDim, dtype }
      const all = {
        query: fill(1, [batch, heads, total, dim], 2, dtype),
        key: fill(2, [batch, kvHeads, total, dim], 2, dtype),
        value: fill(3, [batch, kvHeads, total, valueDim], 1, dtype),
      }
      const cache = flash.cache({ ...sizes, capacity: total, quantized, ...(rope ? { rope } : {}) })
      const turn = (view: Tensor): Tensor =>
        rope ? rotateByDefinition(view, rope, (_sequence, row) => row) : cast(view, 'float64')
      const append = (start: number, end: number, transpose: boolean): void => {
        const part = (view: Tensor): GpuTensor =>
          flash.upload(transpose ? transposed(rows(view, start, end)) : rows(view, start, end))
        cache.append({ key: part(all.key), value: part(all.value) })
      }
      append(0, 30, true)
      append(30, 40, false)
      append(40, total, false)

      // The blocks are those of core, but where a rounding was close.
      const stored = { key: cast(turn(all.key), 'float32'), value: cast(all.value, 'float32') }
      const held = { ...stored }
      for (const name of ['key', 'value'] as const) {
        const type = quantized[name]
        if (!type) continue
        const shape = stored[name].shape
        const bytes = await blocksOf(cache[name], total)
        const back = dequantize(bytes, shape, type)
        held[name] = back
        const wanted = toFloat64Array(dequantize(quantize(stored[name], type), shape, type))
        const [actual, original] = [toFloat64Array(back), toFloat64Array(stored[name])]
        let different = 0
        actual.forEach((value, i) => {
          if (value !== wanted[i]) different++
          const block = original.subarray(i - (i % 32), i - (i % 32) + 32)
          const step =
            block.reduce((m, x) => Math.max(m, Math.abs(x)), 0) / (type === 'q8_0' ? 127 : 8)
          expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(step * 1.01)
        })
        expect(different / actual.length).toBeLessThan(0.02)
      }
      // And attention is that of what they stand for: of one query, of many, of all at once.
      const expected = standardAttention(
        turn(all.query),
        cast(held.key, 'float64'),
        cast(held.value, 'float64'),
        { mask: causal },
      ).output
      for (const length of [1, 5, total]) {
        const plan = flash.plan({
          ...sizes,
          heads,
          queryLength: length,
          keyLength: total,
          lengths: 'call',
          mask: causal,
          ...(rope ? { rope: { query: rope } } : {}),
        })
        const query = flash.upload(rows(all.query, total - length, total))
        const { output } = plan.forward({ query, ...cache.inputs() })
        const actual = toFloat64Array(await flash.download(output))
        const wanted = toFloat64Array(rows(expected, total - length, total))
        expect(largestError(actual, wanted)).toBeLessThan(dtype === 'float16' ? 4e-3 : 2e-5)
        plan.destroy()
      }
      cache.destroy()
    },
  )

  test('buffers of another library are read as they are', async () => {
    const flash = await library()
    const [kvHeads, length, dim] = [2, 20, 96]
    const key = fill(5, [1, kvHeads, length, dim], 2)
    const value = fill(6, [1, kvHeads, length, dim], 2)
    const query = fill(7, [1, 4, 1, dim], 2)
    const upload = (view: Tensor, type: QuantizedType): GPUBuffer => {
      const bytes = quantize(view, type)
      const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4)
      padded.set(bytes)
      const buffer = flash.device.createBuffer({ size: padded.length, usage: 0x80 | 0x08 })
      flash.device.queue.writeBuffer(buffer, 0, padded)
      return buffer
    }
    // Rows of an odd number of blocks, one after another: every second row begins within a word.
    const view = (buffer: GPUBuffer, type: QuantizedType): GpuTensor =>
      quantizedTensor(buffer, [1, kvHeads, length, dim], type)
    const plan = flash.plan({ heads: 4, kvHeads, queryLength: 1, keyLength: length, headDim: dim })
    const { output } = plan.forward({
      query: flash.upload(query),
      key: view(upload(key, 'q8_0'), 'q8_0'),
      value: view(upload(value, 'q4_0'), 'q4_0'),
      quantized: { key: 'q8_0', value: 'q4_0' },
    })
    const back = (source: Tensor, type: QuantizedType): Tensor =>
      dequantize(quantize(source, type), source.shape, type)
    const expected = standardAttention(query, back(key, 'q8_0'), back(value, 'q4_0')).output
    const actual = toFloat64Array(await flash.download(output))
    expect(largestError(actual, toFloat64Array(expected))).toBeLessThan(2e-5)
    plan.destroy()
  })

  test('memory is that of the blocks; rows move, grow and wrap as blocks', async () => {
    const flash = await library()
    const sizes = { kvHeads: 2, headDim: 64 }
    const before = flash.memory.allocatedBytes
    const cache = flash.cache({ ...sizes, capacity: 1000, quantized: 'q4_0' })
    const held = 2 * 2 * 1000 * quantizedBytes('q4_0', 64)
    expect(flash.memory.allocatedBytes - before).toBeGreaterThanOrEqual(held)
    expect(flash.memory.allocatedBytes - before).toBeLessThan(held + 1024)
    const all = fill(8, [1, 2, 12, 64], 2)
    const tokens = flash.upload(all)
    cache.append({ key: tokens, value: tokens })
    cache.keep([0, 3, 4, 11])
    cache.grow(1001)
    const kept = [0, 3, 4, 11].map((row) => quantize(rows(all, row, row + 1), 'q4_0'))
    const bytes = await blocksOf(cache.key, 4)
    const rowBytes = quantizedBytes('q4_0', 64)
    kept.forEach((row, index) => {
      const own = bytes.subarray(index * rowBytes, (index + 1) * rowBytes)
      const shape = [1, 64]
      const actual = toFloat64Array(dequantize(own, shape, 'q4_0'))
      const wanted = toFloat64Array(dequantize(row.subarray(0, rowBytes), shape, 'q4_0'))
      expect(largestError(actual, wanted)).toBeLessThan(0.3)
    })
    cache.destroy()

    const ring = flash.cache({
      ...sizes,
      capacity: 6,
      quantized: 'q8_0',
      ring: { window: 5, sinks: 1 },
    })
    ring.append({ key: tokens, value: tokens })
    const plan = flash.plan({ ...sizes, heads: 2, queryLength: 1, keyLength: 6, lengths: 'call' })
    const query = fill(9, [1, 2, 1, 64], 2)
    const { output } = plan.forward({ query: flash.upload(query), ...ring.inputs() })
    const seen = mask('seen', ({ key }) => key.eq(0).or(key.ge(7)))
    const back = dequantize(quantize(all, 'q8_0'), all.shape, 'q8_0')
    const expected = standardAttention(query, back, back, { mask: seen }).output
    const actual = toFloat64Array(await flash.download(output))
    expect(largestError(actual, toFloat64Array(expected))).toBeLessThan(2e-2)
    ring.destroy()
  })

  test('what cannot be is said', async () => {
    const flash = await library()
    const sizes = { kvHeads: 1, headDim: 64 }
    const make = (more: object) => () => flash.cache({ ...sizes, capacity: 8, ...more })
    expect(make({ quantized: 'q5_0' })).toThrow('quantized.key must be q8_0 or q4_0, got q5_0')
    expect(make({ headDim: 80, quantized: { key: 'q8_0' } })).toThrow(
      'flash.cache: headDim must be a multiple of 32 to be quantized, got 80',
    )
    const cache = flash.cache({ ...sizes, capacity: 40, quantized: 'q8_0' })
    const tokens = flash.upload(tensor(new Float32Array(20 * 64), [1, 1, 20, 64]))
    cache.append({ key: tokens, value: tokens })
    const { key, value, quantized } = cache.inputs()
    const fixed = flash.plan({ ...sizes, heads: 1, queryLength: 20, keyLength: 40 })
    expect(() => fixed.forward({ query: tokens, key, value, quantized })).toThrow(
      "of any number with lengths: 'call', got one of 20 with fixed lengths",
    )
    expect(() =>
      quantizedTensor(key.storage, [1, 1, 2, 64], 'q8_0', { strides: [0, 0, 69] }),
    ).toThrow('must be even numbers of bytes')
    cache.destroy()
  })
})
