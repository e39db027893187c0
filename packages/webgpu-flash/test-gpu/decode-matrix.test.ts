// Decoding on subgroup matrices, which plans take where a device has them, held against attention of what keys
// and values stand for. Adapters without matrices have nothing to try here.
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
import type { DecodeMatrixTile, FlashAttention, GpuTensor } from '../src/index.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()
const [batch, heads, kvHeads, keyLength] = [2, 4, 2, 76]
const window = mask('window', ({ query, key }) => key.le(query).and(query.sub(key).lt(20)))
const softcap = scoreModifier('softcap', (score) => score.div(5).tanh().mul(5))
const sinks = tensorFrom([1, 2, -1, 0], [4], 'float32')
const types = [undefined, 'q8_0', 'q4_0'] as const
type Stored = QuantizedType | undefined

interface Inputs {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
}

describe.skipIf(!gpu).each(deviceKinds(gpu))('decoding on matrices, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  /** Dims that this is tried with: the least that blocks are read of, and little to compile. */
  const dimOf = (type: Stored): number => (type ? 64 : 32)

  const inputsOf = (type: Stored, queryLength: number, size = 1): Inputs => ({
    query: fill(1, [batch, heads, queryLength, dimOf(type)], 2, 'float16'),
    key: fill(2, [batch, kvHeads, keyLength, dimOf(type)], size, type ? 'float32' : 'float16'),
    value: fill(3, [batch, kvHeads, keyLength, dimOf(type)], 1, type ? 'float32' : 'float16'),
  })

  const meant = (view: Tensor, type: Stored): Tensor =>
    cast(type ? dequantize(quantize(view, type), view.shape, type) : view, 'float64')

  async function stored(view: Tensor, type: Stored): Promise<GpuTensor> {
    const flash = await library()
    if (!type) return flash.upload(view)
    const bytes = quantize(view, type)
    const padded = new Uint8Array(Math.ceil(bytes.length / 16) * 16)
    padded.set(bytes)
    const buffer = flash.device.createBuffer({ size: padded.length, usage: 0x80 | 0x08 })
    flash.device.queue.writeBuffer(buffer, 0, padded)
    return quantizedTensor(buffer, view.shape, type)
  }

  /** The larger of the errors of output and log-sum-exp; undefined where there are no matrices for it. */
  async function errorOf(
    type: Stored,
    inputs: Inputs,
    options: AttentionOptions,
    matrix: Partial<DecodeMatrixTile>,
    valueType = type,
  ): Promise<number | undefined> {
    const flash = await library()
    const queryLength = inputs.query.shape[2]!
    const plan = flash.plan({
      batch,
      heads,
      kvHeads,
      queryLength,
      keyLength,
      headDim: dimOf(type),
      dtype: 'float16',
      decodeTile: { matrix },
      ...options,
    })
    if (!plan.explain().decode?.matrix) {
      plan.destroy()
      return undefined
    }
    const { output, logSumExp } = plan.forward({
      query: flash.upload(inputs.query),
      key: await stored(inputs.key, type),
      value: await stored(inputs.value, valueType),
      ...(type && { quantized: { key: type, ...(valueType && { value: valueType }) } }),
    })
    const expected = standardAttention(
      cast(inputs.query, 'float64'),
      meant(inputs.key, type),
      meant(inputs.value, valueType),
      options,
    )
    const numbers = async (view: GpuTensor): Promise<Float64Array> =>
      toFloat64Array(await flash.download(view))
    const errors = [
      largestError(await numbers(output), toFloat64Array(expected.output)),
      largestError(await numbers(logSumExp), toFloat64Array(expected.logSumExp)),
    ]
    plan.destroy()
    return Math.max(...errors)
  }
  const missing = 'this adapter has no subgroup matrices of f16 with sums of f32'
  const small = { subgroups: 2, keys: 16, rows: 8 }
  // Parts of three chunks and of two: of blocks two are on their way, so the third is the first one's again.
  const inParts = { ...small, workgroups: 8 }

  test.for([
    ['all keys by one workgroup', 1, {}, { ...small, workgroups: 1 }],
    [
      'sinks, a softcap and dropout',
      5,
      { mask: window, sinks, scoreModifiers: [softcap], dropout: { rate: 0.3, seed: 5 } },
      inParts,
    ],
  ] as const)('%s', async ([_name, queryLength, options, tile], { skip }) => {
    const error = await errorOf(undefined, inputsOf(undefined, queryLength), options, tile)
    if (error === undefined) return skip(missing)
    expect(error).toBeLessThan(2e-3)
  })

  // Blocks of both go through the tile together, of one alone.
  test.for([
    ['q8_0', 'q4_0'],
    ['q4_0', undefined],
  ] as const)('keys as %s and values as %s', async ([type, valueType], { skip }) => {
    const inputs = inputsOf(type, 1)
    const value = valueType ? inputs.value : cast(inputs.value, 'float16')
    const error = await errorOf(type, { ...inputs, value }, {}, inParts, valueType)
    if (error === undefined) return skip(missing)
    expect(error).toBeLessThan(2e-3)
  })

  // Against the kernel in plain WGSL, which the tests of caches are about.
  test.for([
    [undefined, 'pages smaller than a chunk', { pages: { pageSize: 4, count: 40 } }],
    ['q8_0', 'pages', { pages: { pageSize: 16, count: 10 } }],
    ['q4_0', 'a ring', { ring: { window: 29, sinks: 3 } }],
  ] as const)('a cache, %s, in %s', async ([type, _name, kept], { skip }) => {
    const flash = await library()
    const cache = flash.cache({
      batch,
      kvHeads,
      headDim: dimOf(type),
      dtype: 'float16',
      capacity: 'pages' in kept ? 80 : 40,
      ...kept,
      ...(type ? { quantized: type } : {}),
    })
    const of = (seed: number): GpuTensor =>
      flash.upload(fill(seed, [batch, kvHeads, 19, dimOf(type)], 1, 'float16'))
    for (let step = 0; step < 4; step++) cache.append({ key: of(step), value: of(10 + step) })
    const query = flash.upload(fill(1, [batch, heads, 2, dimOf(type)], 2, 'float16'))
    const outputs: Float64Array[] = []
    for (const matrix of [inParts, false] as const) {
      const plan = flash.plan({
        batch,
        heads,
        kvHeads,
        queryLength: 2,
        keyLength: 80,
        headDim: dimOf(type),
        dtype: 'float16',
        lengths: 'call',
        mask: window,
        decodeTile: { matrix },
      })
      if (matrix && !plan.explain().decode?.matrix) return skip(missing)
      const { output } = plan.forward({ query, ...cache.inputs() })
      outputs.push(toFloat64Array(await flash.download(output)))
      plan.destroy()
    }
    cache.destroy()
    expect(largestError(outputs[0]!, outputs[1]!)).toBeLessThan(2e-3)
  })

  describe.each(onlyCore() ? types.slice(0, 2) : types)('keys and values as %s', (type) => {
    // Of 16 queries there are more rows than a tile has; of some rows early parts show nothing.
    test.for([1, 5, 16])('%i queries, in parts', async (queryLength, { skip }) => {
      const options = { mask: window }
      const error = await errorOf(type, inputsOf(type, queryLength), options, inParts)
      if (error === undefined) return skip(missing)
      expect(error).toBeLessThan(2e-3)
    })

    // Later keys are larger and larger, so that rows outgrow their references.
    test('scores that grow', async ({ skip }) => {
      const inputs = inputsOf(type, 1, 1)
      const grown = tensorFrom(
        Array.from(toFloat64Array(inputs.key), (x, i) => {
          const row = Math.floor(i / dimOf(type)) % keyLength
          return x + Math.sign(x) * row * 0.1
        }),
        inputs.key.shape,
        inputs.key.dtype,
      )
      const error = await errorOf(type, { ...inputs, key: grown }, { mask: window }, inParts)
      if (error === undefined) return skip(missing)
      expect(error).toBeLessThan(2e-2)
    })

    test.for([
      ['hidden NaN', NaN, true],
      ['hidden infinity', Infinity, true],
      ['visible NaN', NaN, false],
      ['visible -Infinity', -Infinity, false],
      ['what overflows float16 but not a sum', -6e4, false],
    ] as const)('%s in keys and values', async ([_name, bad, hidden], { skip }) => {
      for (const part of ['key', 'value'] as const) {
        const inputs = inputsOf(type, 5)
        const row = hidden ? keyLength - 1 : 30
        const spoilt = tensorFrom(
          Array.from(toFloat64Array(inputs[part]), (x, i) =>
            Math.floor(i / dimOf(type)) % keyLength === row && i % 8 === 3 ? bad : x,
          ),
          inputs[part].shape,
          inputs[part].dtype,
        )
        const options = { mask: window, queryOffset: hidden ? keyLength - 6 : keyLength - 5 }
        const error = await errorOf(type, { ...inputs, [part]: spoilt }, options, inParts)
        if (error === undefined) return skip(missing)
        // Of outputs as large as the largest halves, one may be off by their last bit.
        const allowed = hidden ? 2e-3 : 40
        expect({ part, error: error < allowed || error }).toEqual({ part, error: true })
      }
    })
  })
})
