// Decoding on products of signed bytes, which plans take for blocks where a device has no matrices, held against
// attention of what keys and values stand for. Software adapters take them where they are wanted.
import { afterAll, describe, expect, test } from 'vitest'
import {
  cast,
  dequantize,
  mask,
  quantize,
  scoreModifier,
  standardAttention,
  tensorFrom,
  toFloat64Array,
} from '@attn/core'
import type { AttentionOptions, QuantizedType, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError, onlyCore } from '../../core/test/conformance/index.ts'
import { quantizedTensor } from '../src/index.ts'
import type { FlashAttention, GpuTensor, PlanOptions, WantedIntegers } from '../src/index.ts'
import { rowsSuit } from '../src/plan/decode/vector-rows.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()
const [batch, kvHeads, dims] = [2, 2, 128]
const causal = mask('causal', ({ query, key }) => key.le(query))
const window = mask('window', ({ query, key }) => key.le(query).and(query.sub(key).lt(40)))
const softcap = scoreModifier('softcap', (score) => score.div(5).tanh().mul(5))
const alibi = scoreModifier('alibi', (score, { query, key, head }) =>
  score.sub(query.sub(key).mul(head.add(1)).toFloat().mul(0.01)),
)
const types = ['q8_0', 'q4_0'] as const
const sameTypes = (type: QuantizedType) => ({ key: type, value: type })

interface Inputs {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
}

interface Sizes {
  readonly heads: number
  readonly queryLength: number
  readonly keyLength: number
}

// Heads have to begin, and the last has to end, on 16 bytes, and a chunk is 32 keys.
const usual: Sizes = { heads: 8, queryLength: 1, keyLength: 108 }

const inputsOf = ({ heads, queryLength, keyLength }: Sizes, size = 1): Inputs => ({
  query: fill(1, [batch, heads, queryLength, dims], 2, 'float16'),
  key: fill(2, [batch, kvHeads, keyLength, dims], size, 'float32'),
  value: fill(3, [batch, kvHeads, keyLength, dims], 1, 'float32'),
})

/** The tensor with other numbers in some rows and dims. */
function changed(view: Tensor, number: (old: number, row: number, dim: number) => number): Tensor {
  const length = view.shape[2]!
  const numbers = Array.from(toFloat64Array(view), (old, i) =>
    number(old, Math.floor(i / dims) % length, i % dims),
  )
  return tensorFrom(numbers, view.shape, view.dtype)
}

describe.skipIf(!gpu).each(deviceKinds(gpu))('decoding on products of bytes, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  const meant = (view: Tensor, type: QuantizedType): Tensor =>
    cast(dequantize(quantize(view, type), view.shape, type), 'float64')

  async function stored(view: Tensor, type: QuantizedType): Promise<GpuTensor> {
    const { device } = await library()
    const bytes = quantize(view, type)
    const padded = new Uint8Array(Math.ceil(bytes.length / 16) * 16)
    padded.set(bytes)
    const buffer = device.createBuffer({ size: padded.length, usage: 0x80 | 0x08 })
    device.queue.writeBuffer(buffer, 0, padded)
    return quantizedTensor(buffer, view.shape, type)
  }

  /** The larger of both errors. */
  async function errorOf(...call: Parameters<typeof errorsOf>): Promise<number> {
    const { output, logSumExp } = await errorsOf(...call)
    return Math.max(output, logSumExp)
  }

  async function errorsOf(
    kept: Readonly<Record<'key' | 'value', QuantizedType>>,
    inputs: Inputs,
    options: AttentionOptions,
    integers: WantedIntegers,
  ): Promise<Readonly<Record<'output' | 'logSumExp', number>>> {
    const flash = await library()
    const [, heads, queryLength] = inputs.query.shape as [number, number, number]
    const plan = flash.plan({
      batch,
      heads,
      kvHeads,
      queryLength,
      keyLength: inputs.key.shape[2]!,
      headDim: dims,
      dtype: 'float16',
      decodeTile: { matrix: false, integers },
      ...options,
    })
    expect(plan.explain().decode?.integers).toMatchObject(integers)
    const query = flash.upload(inputs.query)
    const key = await stored(inputs.key, kept.key)
    const value = await stored(inputs.value, kept.value)
    for (const name of ['key', 'value'] as const) {
      // Otherwise another kernel would be what is tried.
      expect(rowsSuit({ key, value, quantized: kept }, name, dims, 32)).toBe(true)
    }
    const { output, logSumExp } = plan.forward({ query, key, value, quantized: kept })
    const expected = standardAttention(
      cast(inputs.query, 'float64'),
      meant(inputs.key, kept.key),
      meant(inputs.value, kept.value),
      options,
    )
    const numbers = async (view: GpuTensor): Promise<Float64Array> =>
      toFloat64Array(await flash.download(view))
    const errors = {
      output: largestError(await numbers(output), toFloat64Array(expected.output)),
      logSumExp: largestError(await numbers(logSumExp), toFloat64Array(expected.logSumExp)),
    }
    plan.destroy()
    flash.release(query, output, logSumExp)
    return errors
  }

  const whole = { workgroups: 1 }
  // Parts of one chunk and of two.
  const inParts = { workgroups: 8 }

  test.for([
    ['three rows', { ...usual, heads: 6 }, {}, whole],
    ['eight rows of several queries', { ...usual, queryLength: 2 }, { mask: causal }, inParts],
    ['a window', { ...usual, queryLength: 5 }, { mask: window }, inParts],
    ['a softcap', usual, { scoreModifiers: [softcap] }, whole],
    [
      'sinks and two modifiers',
      { ...usual, queryLength: 3 },
      {
        mask: causal,
        scoreModifiers: [alibi, softcap],
        sinks: tensorFrom([1, 2, -1, 0, 3, 0, 1, 2], [8], 'float32'),
      },
      inParts,
    ],
    ['lengths of sequences', usual, { keyLengths: [33, 70] }, inParts],
    ['an empty sequence, with a mask', usual, { mask: causal, keyLengths: [0, 108] }, whole],
  ] as const)('%s', async ([_name, sizes, options, tile]) => {
    for (const type of onlyCore() ? types.slice(1) : types) {
      const error = await errorOf(sameTypes(type), inputsOf(sizes), options, tile)
      expect({ type, error: error < 2e-3 || error }).toEqual({ type, error: true })
    }
  })

  // As GPUs get it; what compiles in software gets loops.
  test.each(onlyCore() ? [] : types)('products of %s that are written out', async (type) => {
    const tile = { ...inParts, unrolled: true }
    expect(await errorOf(sameTypes(type), inputsOf(usual), {}, tile)).toBeLessThan(2e-3)
  })

  // Queries in fewer digits would be further off.
  test.each(types)('scores over %s are as exact as in float32', async (type) => {
    const inputs = inputsOf(usual, 4)
    const { logSumExp } = await errorsOf(sameTypes(type), inputs, {}, whole)
    expect(logSumExp).toBeLessThan(1e-5)
  })

  test.for([
    ['q8_0', 'q4_0'],
    ['q4_0', 'q8_0'],
  ] as const)('keys as %s and values as %s', async ([key, value]) => {
    expect(await errorOf({ key, value }, inputsOf(usual), {}, inParts)).toBeLessThan(2e-3)
  })

  // Numbers cross workgroup memory where subgroups are smaller than 32.
  test('by shuffles, as far as subgroups reach', async () => {
    const most = Math.min(32, (await library()).capabilities.subgroups?.minimum ?? 1)
    const sizes = onlyCore() ? [most] : [1, 2, 4, 8, 16, 32].filter((size) => size <= most)
    for (const shuffles of sizes) {
      const tile = { ...inParts, shuffles }
      const error = await errorOf(sameTypes('q4_0'), inputsOf(usual), { mask: causal }, tile)
      expect({ shuffles, error: error < 2e-3 || error }).toEqual({ shuffles, error: true })
    }
    await expect(errorOf(sameTypes('q8_0'), inputsOf(usual), {}, { shuffles: 64 })).rejects.toThrow(
      'flash.plan: the tile shuffles among 64 threads',
    )
  })

  describe.each(onlyCore() ? types.slice(0, 1) : types)('%s', (type) => {
    // Later keys are larger and larger, so that maxima rise from chunk to chunk; queries reach the largest halves.
    test('scores that grow, and large queries', async () => {
      const inputs = inputsOf(usual)
      const key = changed(inputs.key, (x, row) => x + Math.sign(x) * row * 0.1)
      expect(await errorOf(sameTypes(type), { ...inputs, key }, {}, whole)).toBeLessThan(1e-2)
      const query = changed(inputs.query, (x, _row, dim) => (dim % 32 === 7 ? 65504 : 30000 * x))
      const scale = 1e-5
      const large = await errorOf(sameTypes(type), { ...inputs, query }, { scale }, whole)
      expect(large).toBeLessThan(5e-3)
    })

    // A key that no row sees, or that weighs nothing, must not make the weights of others coarse.
    test('values of very different sizes', async () => {
      const inputs = inputsOf(usual)
      const value = changed(inputs.value, (x, row) => (row % 32 === 5 ? 6e4 * x : x))
      const loud = changed(inputs.key, (x, row) => (row % 32 === 5 ? 0 : x))
      const hides = mask('some', ({ key }) => key.mod(32).ne(5))
      const hidden = await errorOf(sameTypes(type), { ...inputs, value }, { mask: hides }, whole)
      expect(hidden).toBeLessThan(2e-3)
      const far = scoreModifier('far', (score, { key }) =>
        key.mod(32).eq(5).select(score.sub(30), score),
      )
      const light = { ...inputs, key: loud, value }
      const weighed = await errorOf(sameTypes(type), light, { scoreModifiers: [far] }, whole)
      expect(weighed).toBeLessThan(2e-3)
    })

    test.for([
      ['hidden NaN', NaN, true],
      ['hidden infinity', Infinity, true],
      ['visible NaN', NaN, false],
      ['visible -Infinity', -Infinity, false],
      ['a visible scale beyond float16', -1e8, false],
    ] as const)('%s in keys and values', async ([_name, bad, hidden]) => {
      for (const part of ['key', 'value'] as const) {
        const sizes = { ...usual, queryLength: 2 }
        const inputs = inputsOf(sizes)
        const spoilt = hidden ? sizes.keyLength - 1 : 70
        const view = changed(inputs[part], (x, row, dim) =>
          row === spoilt && dim % 40 === 3 ? bad : x,
        )
        const options = { mask: window, queryOffset: sizes.keyLength - (hidden ? 3 : 2) }
        const error = await errorOf(sameTypes(type), { ...inputs, [part]: view }, options, inParts)
        expect({ part, error: error < 2e-3 || error }).toEqual({ part, error: true })
      }
    })

    test.for([NaN, Infinity, -Infinity])('a query with %s', async (bad) => {
      const inputs = inputsOf({ ...usual, queryLength: 2 })
      const query = changed(inputs.query, (x, row, dim) => (row === 1 && dim === 77 ? bad : x))
      const options = { mask: causal }
      const error = await errorOf(sameTypes(type), { ...inputs, query }, options, inParts)
      expect(error).toBeLessThan(2e-3)
    })

    // Against the kernel whose threads share keys, which the tests of caches are about.
    test.for([
      ['pages', { pages: { pageSize: 32, count: 12 } }],
      ['a ring', { ring: { window: 61, sinks: 3 } }],
      ['rows of their positions', {}],
    ] as const)('a cache in %s', async ([_name, kept]) => {
      const flash = await library()
      const cache = flash.cache({
        batch,
        kvHeads,
        headDim: dims,
        dtype: 'float16',
        capacity: 'pages' in kept ? 160 : 128,
        ...kept,
        quantized: type,
      })
      const of = (seed: number): GpuTensor =>
        flash.upload(fill(seed, [batch, kvHeads, 29, dims], 1, 'float16'))
      for (let step = 0; step < 4; step++) cache.append({ key: of(step), value: of(10 + step) })
      const query = flash.upload(fill(1, [batch, 8, 1, dims], 2, 'float16'))
      const outputs: Float64Array[] = []
      for (const integers of [inParts, false] as const) {
        const options: PlanOptions = {
          batch,
          heads: 8,
          kvHeads,
          queryLength: 1,
          keyLength: 160,
          headDim: dims,
          dtype: 'float16',
          lengths: 'call',
          mask: window,
        }
        const plan = flash.plan({ ...options, decodeTile: { matrix: false, integers } })
        const { output } = plan.forward({ query, ...cache.inputs() })
        outputs.push(toFloat64Array(await flash.download(output)))
        plan.destroy()
      }
      cache.destroy()
      expect(largestError(outputs[0]!, outputs[1]!)).toBeLessThan(2e-3)
    })
  })
})
