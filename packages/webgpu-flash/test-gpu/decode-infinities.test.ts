// Infinities that make scores of -Infinity: such pairs count for nothing, and a row that has no others gives
// 0, as on the CPU. In decoding threads share the dims of a key; of many widths some threads are left over.
import { afterAll, describe, expect, test } from 'vitest'
import {
  cast,
  dequantize,
  mask,
  quantize,
  standardAttention,
  tensorFrom,
  toFloat64Array,
} from '@attn/core'
import type { AttentionOptions, DType, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import { quantizedTensor } from '../src/index.ts'
import type { DecodeTile, FlashAttention, KeyValueCache, PlanOptions } from '../src/index.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()
const [batch, heads, kvHeads, keyLength, valueDim] = [1, 4, 2, 150, 12]
const causal = mask('causal', ({ query, key }) => key.le(query))

/** The last dim of some rows replaced; the others are as they were, but positive. */
function lastDims(view: Tensor, bad: number, rows: (row: number) => boolean): Tensor {
  const [length, width] = view.shape.slice(2) as [number, number]
  const values = Array.from(toFloat64Array(view), (each, i) =>
    i % width === width - 1 && rows(Math.floor(i / width) % length) ? bad : Math.abs(each),
  )
  return tensorFrom(values, view.shape, view.dtype)
}

interface Inputs {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
}

function inputsOf(queryLength: number, headDim: number, dtype: DType): Inputs {
  const query = fill(1, [batch, heads, queryLength, headDim], 1, dtype)
  return {
    query: lastDims(query, 0.5, () => true),
    key: lastDims(fill(2, [batch, kvHeads, keyLength, headDim], 1, dtype), 0.5, () => true),
    value: fill(3, [batch, kvHeads, keyLength, valueDim], 1, dtype),
  }
}

const everyThird = (row: number): boolean => row % 3 === 0
const spoilt: Readonly<Record<string, (inputs: Inputs) => Inputs>> = {
  'in some keys': (all) => ({ ...all, key: lastDims(all.key, -Infinity, everyThird) }),
  'in the first two thirds of keys': (all) => ({
    ...all,
    key: lastDims(all.key, -Infinity, (row) => row < 100),
  }),
  'in all keys': (all) => ({ ...all, key: lastDims(all.key, -Infinity, () => true) }),
  'in the first query': (all) => ({
    ...all,
    query: lastDims(all.query, -Infinity, (row) => row === 0),
  }),
}

/** Of the first no thread is left over; of the others one or many, for single vectors and for pairs. */
const widths = [64, 4, 68, 96, 17]

describe.skipIf(!gpu).each(deviceKinds(gpu))('decoding infinities, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  async function errorOf(inputs: Inputs, planned: Partial<PlanOptions>): Promise<number> {
    const flash = await library()
    const { dtype } = inputs.query
    const [queryLength, headDim] = inputs.query.shape.slice(2) as [number, number]
    const sizes = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
    const plan = flash.plan({ ...sizes, dtype: dtype as 'float32' | 'float16', ...planned })
    expect(plan.explain().decode).toBeDefined()
    const [query, key, value] = [inputs.query, inputs.key, inputs.value].map((each) =>
      flash.upload(each),
    )
    const result = plan.forward({ query: query!, key: key!, value: value! })
    const error = await errorOfResult(inputs, result, planned.mask ? { mask: planned.mask } : {})
    plan.destroy()
    flash.release(query!, key!, value!)
    return error
  }

  async function errorOfResult(
    inputs: Inputs,
    { output, logSumExp }: ReturnType<ReturnType<FlashAttention['plan']>['forward']>,
    options: AttentionOptions,
  ): Promise<number> {
    const flash = await library()
    const exact = [inputs.query, inputs.key, inputs.value].map((each) => cast(each, 'float64'))
    const expected = standardAttention(exact[0]!, exact[1]!, exact[2]!, options)
    const numbers = async (view: typeof output): Promise<Float64Array> =>
      toFloat64Array(await flash.download(view))
    const errors = [
      largestError(await numbers(output), toFloat64Array(expected.output)),
      largestError(await numbers(logSumExp), toFloat64Array(expected.logSumExp)),
    ]
    flash.release(output, logSumExp)
    return Math.max(...errors)
  }

  const narrow: Partial<DecodeTile> = {
    threads: 32,
    lanes: 8,
    rows: 2,
    keysAhead: 4,
    shuffles: false,
  }
  const tiles: Readonly<Record<string, Partial<DecodeTile> | undefined>> = {
    'the tile of the device': undefined,
    'many parts': { ...narrow, workgroups: 20 },
  }

  describe.each(Object.keys(spoilt))('%s', (name) => {
    test.each(widths)('width %i', async (width) => {
      const all = spoilt[name]!(inputsOf(3, width, 'float32'))
      for (const [tile, decodeTile] of Object.entries(tiles)) {
        const error = await errorOf(all, decodeTile ? { decodeTile } : {})
        expect({ tile, error: error < 1e-5 || error }).toEqual({ tile, error: true })
      }
    })

    test.each([20, 96])('float16, width %i, one query', async (width) => {
      const all = spoilt[name]!(inputsOf(1, width, 'float16'))
      expect(await errorOf(all, {})).toBeLessThan(2e-3)
    })
  })

  test('shuffles within a subgroup, where there are subgroups', async () => {
    const { subgroups } = (await library()).capabilities
    const shuffles = subgroups !== undefined && subgroups.minimum >= 8
    const all = spoilt['in all keys']!(inputsOf(3, 20, 'float32'))
    for (const more of [{ rows: 1, keysAhead: 8 }, { rows: 2 }, { loadsAhead: true }]) {
      const decodeTile = { ...narrow, ...more, shuffles, workgroups: 20 }
      expect(await errorOf(all, { decodeTile })).toBeLessThan(1e-5)
    }
  })

  /** One query after all keys of a cache; a ring has the newest of them. */
  async function errorOfCache(
    all: Inputs,
    cache: KeyValueCache,
    options: AttentionOptions,
    seen: Inputs,
  ): Promise<number> {
    const flash = await library()
    const [query, key, value] = [all.query, all.key, all.value].map((each) => flash.upload(each))
    cache.append({ key: key!, value: value! })
    const headDim = all.query.shape[3]!
    const plan = flash.plan({
      batch,
      heads,
      kvHeads,
      headDim,
      valueDim,
      queryLength: 1,
      keyLength,
      mask: causal,
      lengths: 'call',
    })
    const result = plan.forward({ query: query!, ...cache.inputs() })
    const error = await errorOfResult(seen, result, options)
    plan.destroy()
    cache.destroy()
    flash.release(query!, key!, value!)
    return error
  }

  test.each(['in some keys', 'in all keys'])('%s of a ring', async (name) => {
    const flash = await library()
    const all = spoilt[name]!(inputsOf(1, 20, 'float32'))
    const cache = flash.cache({
      batch,
      kvHeads,
      headDim: 20,
      valueDim,
      ring: { window: 40, sinks: 3 },
      capacity: keyLength,
    })
    const ring = mask('ring', ({ query, key }) =>
      key.le(query).and(key.lt(3).or(query.sub(key).lt(40))),
    )
    const options = { mask: ring, queryOffset: keyLength - 1 }
    expect(await errorOfCache(all, cache, options, all)).toBeLessThan(1e-5)
  })

  // A scale beyond float16, of which all elements of a block are multiples: infinities, and NaN of zeros.
  const blocks: Readonly<Record<string, (row: number, dim: number) => number>> = {
    'of one sign': (row, dim) =>
      everyThird(row) && dim >= 32 && dim < 64 ? -1e8 : 0.01 * (dim % 7),
    'of both signs': (row, dim) =>
      everyThird(row) && dim >= 32 ? (dim % 2 === 0 ? -1e8 : 1e8) : 0.01 * (dim % 7),
    'with zeros among them': (row, dim) =>
      everyThird(row) && dim < 32 ? (dim === 5 ? 0 : -1e8) : 0.01 * (dim % 7),
    'of NaN': (row, dim) => (row === 99 && dim === 3 ? NaN : 0.01 * (dim % 7)),
    'of an infinity': (row, dim) => (row === 99 && dim === 40 ? -Infinity : 0.01 * (dim % 7)),
    'whose elements are beyond float16': (row, dim) =>
      everyThird(row) && dim === 33 ? -1e5 : 0.01 * (dim % 7),
  }
  describe.each(['q8_0', 'q4_0'] as const)('blocks of %s', (type) => {
    describe.each(Object.keys(blocks))('%s', (name) => {
      test.each([
        ['keys', 96, 'float32'],
        ['keys', 64, 'float16'],
        ['values', 64, 'float32'],
      ] as const)('%s of %i dims, queries %s', async (part, width, dtype) => {
        const flash = await library()
        const query = inputsOf(1, width, dtype).query
        const spoiltRows = tensorFrom(
          Array.from({ length: batch * kvHeads * keyLength * width }, (_each, i) =>
            blocks[name]!(Math.floor(i / width) % keyLength, i % width),
          ),
          [batch, kvHeads, keyLength, width],
          'float32',
        )
        const others = fill(2, [batch, kvHeads, keyLength, width], 1, 'float32')
        const rows =
          part === 'keys' ? { key: spoiltRows, value: others } : { key: others, value: spoiltRows }
        const stored = (view: Tensor): Tensor => dequantize(quantize(view, type), view.shape, type)
        const view = (source: Tensor) => {
          const bytes = quantize(source, type)
          const buffer = flash.device.createBuffer({ size: bytes.length, usage: 0x80 | 0x08 })
          flash.device.queue.writeBuffer(buffer, 0, bytes)
          return quantizedTensor(buffer, source.shape, type)
        }
        const plan = flash.plan({
          batch,
          heads,
          kvHeads,
          queryLength: 1,
          keyLength,
          headDim: width,
          dtype,
        })
        const given = flash.upload(query)
        const result = plan.forward({
          query: given,
          key: view(rows.key),
          value: view(rows.value),
          quantized: { key: type, value: type },
        })
        const seen = { query, key: stored(rows.key), value: stored(rows.value) }
        const largest = Math.max(
          1,
          ...toFloat64Array(seen.value).filter(Number.isFinite).map(Math.abs),
        )
        const allowed = largest * (dtype === 'float16' ? 2e-3 : 1e-5)
        expect(await errorOfResult(seen, result, {})).toBeLessThan(allowed)
        plan.destroy()
        flash.release(given)
      })
    })

    test('a cache stores what core does', async () => {
      const flash = await library()
      const width = 64
      const names = Object.keys(blocks)
      const source = tensorFrom(
        Array.from({ length: names.length * width }, (_each, i) =>
          // Row 99 has what each is about.
          blocks[names[Math.floor(i / width)]!]!(99, i % width),
        ),
        [1, 1, names.length, width],
        'float32',
      )
      const cache = flash.cache({
        kvHeads: 1,
        headDim: width,
        capacity: names.length,
        quantized: type,
      })
      const tokens = flash.upload(source)
      cache.append({ key: tokens, value: tokens })
      const words = (await flash.download(cache.key)) as { storage: Uint16Array<ArrayBuffer> }
      const bytes = new Uint8Array(
        words.storage.buffer,
        words.storage.byteOffset,
        words.storage.byteLength,
      )
      const actual = toFloat64Array(dequantize(bytes, source.shape, type))
      const wanted = toFloat64Array(dequantize(quantize(source, type), source.shape, type))
      expect(largestError(actual, wanted)).toBeLessThan(1e-3)
      cache.destroy()
      flash.release(tokens)
    })
  })
})
