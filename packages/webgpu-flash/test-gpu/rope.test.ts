// plan({ rope }): attention on what the definition of the rotation makes of queries and keys, caches of
// turned and unturned keys, and gradients of what was given.
import { cast, mask, slice, standardAttention, toFloat64Array } from '@attn/core'
import type { AttentionOptions, RotaryEmbedding, Tensor } from '@attn/core'
import { afterAll, describe, expect, test } from 'vitest'
import {
  fill,
  largestError,
  magnitude,
  plainAttention,
  transposed,
} from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { formatExplanation } from '../src/index.ts'
import type { FlashAttention, RopeOption } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { rotaryEmbedding, rotateByDefinition, roundings } from './rotary-definition.ts'
import { standardGradients } from '../../core/test/conformance/index.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))

interface Call {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
  readonly options: AttentionOptions
  readonly rope: RopeOption
  /** What the option means, spelled out. */
  readonly turnQuery: (query: Tensor, precision?: Precision) => Tensor
  readonly turnKey: (key: Tensor, precision?: Precision) => Tensor
}

type Precision = Parameters<typeof rotateByDefinition>[4]

/** A call whose queries are the last rows, both sides turned at the usual positions. */
function usualCall(
  rotary: RotaryEmbedding,
  { queryLength = 20, keyLength = 45, dim = 16, dtype = 'float32' as const, batch = 2 } = {},
): Call {
  const offset = keyLength - queryLength
  return {
    query: fill(1, [batch, 4, queryLength, dim], 2, dtype),
    key: fill(2, [batch, 2, keyLength, dim], 2, dtype),
    value: fill(3, [batch, 2, keyLength, 12], 1, dtype),
    options: { mask: causal },
    rope: rotary,
    turnQuery: (query, precision) =>
      rotateByDefinition(query, rotary, (_, row) => offset + row, 1, precision),
    turnKey: (key, precision) => rotateByDefinition(key, rotary, (_, row) => row, 1, precision),
  }
}

async function check(flash: FlashAttention, call: Call): Promise<void> {
  const { query, key, value, options } = call
  const result = await flash.attention(query, key, value, { ...options, rope: call.rope })
  const exact = standardAttention(
    call.turnQuery(query),
    call.turnKey(key),
    cast(value, 'float64'),
    options,
  )
  const { dtype } = query
  const precision = { compute: roundings.float32, store: roundings[dtype] }
  const plainInputs = {
    query: cast(call.turnQuery(query, precision), dtype),
    key: cast(call.turnKey(key, precision), dtype),
    value,
  }
  const [batch, heads, queryLength, headDim] = query.shape as [number, number, number, number]
  const [, kvHeads, keyLength, valueDim] = value.shape as [number, number, number, number]
  const shape = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
  const plain = plainAttention(dtype as 'float32', shape, plainInputs, options)
  for (const part of ['output', 'logSumExp'] as const) {
    const expected = toFloat64Array(exact[part])
    const floor = dtype === 'float32' ? 1e-5 * magnitude(expected) : 0
    const allowed = Math.max(2 * largestError(plain[part], expected), floor)
    expect(largestError(toFloat64Array(result[part]), expected)).toBeLessThanOrEqual(allowed)
  }
}

describe.skipIf(!gpu).each(deviceKinds(gpu))('rope, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  test.each([
    ['the usual embedding', rotaryEmbedding(16)],
    ['interleaved', rotaryEmbedding(16, 'interleaved')],
    ['partial, with a temperature', rotaryEmbedding(8, 'half', { attentionFactor: 1.3 })],
    ['pairs across vectors', rotaryEmbedding(12)],
  ])('%s', async (_name, rotary) => {
    expect.hasAssertions()
    await check(await library(), usualCall(rotary))
  })

  test('float16, odd sizes', async () => {
    expect.hasAssertions()
    const flash = await library()
    await check(flash, usualCall(rotaryEmbedding(16), { dtype: 'float16' as 'float32' }))
    const odd = { dim: 7, batch: 1, dtype: 'float16' as 'float32' }
    await check(flash, usualCall(rotaryEmbedding(6), odd))
  })

  test('an offset for each sequence, strided inputs', async () => {
    expect.hasAssertions()
    const rotary = rotaryEmbedding(16)
    const offsets = [3, 900]
    const call = usualCall(rotary)
    await check(await library(), {
      ...call,
      query: transposed(call.query),
      key: transposed(call.key),
      options: { queryOffset: offsets },
      turnQuery: (query, precision) =>
        rotateByDefinition(
          query,
          rotary,
          (sequence, row) => offsets[sequence]! + row,
          1,
          precision,
        ),
    })
  })

  test('each side with its own embedding and positions', async () => {
    expect.hasAssertions()
    const [ofQuery, ofKey] = [rotaryEmbedding(16), rotaryEmbedding(8, 'interleaved')]
    const call = usualCall(ofQuery)
    const queryPositions = Array.from({ length: 2 * 20 }, (_each, i) => 3 * i)
    await check(await library(), {
      ...call,
      options: {},
      rope: { query: ofQuery, key: ofKey, queryPositions, keyPositions: 100 },
      turnQuery: (query, precision) =>
        rotateByDefinition(
          query,
          ofQuery,
          (sequence, row) => queryPositions[20 * sequence + row]!,
          1,
          precision,
        ),
      turnKey: (key, precision) =>
        rotateByDefinition(key, ofKey, (_sequence, row) => 100 + row, 1, precision),
    })
  })

  describe('caches', () => {
    const [length, dim] = [12, 16]
    const all = {
      query: fill(5, [1, 4, length, dim], 2),
      key: fill(6, [1, 2, length, dim], 2),
      value: fill(7, [1, 2, length, dim]),
    }
    const expected = (rotary: RotaryEmbedding, row: number): Float64Array => {
      const turn = (view: Tensor): Tensor => rotateByDefinition(view, rotary, (_each, at) => at)
      const { output } = standardAttention(
        slice(turn(all.query), 2, row, row + 1),
        slice(turn(all.key), 2, 0, row + 1),
        slice(cast(all.value, 'float64'), 2, 0, row + 1),
      )
      return toFloat64Array(output)
    }
    const part = (view: Tensor, row: number): Tensor => slice(view, 2, row, row + 1)

    test('keys are turned once, when they are appended', async () => {
      const flash = await library()
      const rotary = rotaryEmbedding(dim)
      const cache = flash.empty([1, 2, length, dim])
      const values = flash.upload(all.value)
      for (let row = 0; row < length; row++) {
        const appended = flash.upload(part(all.key, row))
        const output = { ...cache, shape: [1, 2, 1, dim], offset: row * dim }
        flash.rotate(appended, rotary, { positions: row, output })
        const plan = flash.plan({
          heads: 4,
          kvHeads: 2,
          queryLength: 1,
          keyLength: row + 1,
          headDim: dim,
          rope: { query: rotary },
        })
        expect(plan.explain().rope).toMatchObject({ turned: ['query'], bytes: 4 * dim * 4 })
        const query = flash.upload(part(all.query, row))
        const shape = [1, 2, row + 1, dim]
        const result = plan.forward({
          query,
          key: { ...cache, shape },
          value: { ...values, shape },
        })
        const actual = toFloat64Array(await flash.download(result.output))
        expect(largestError(actual, expected(rotary, row))).toBeLessThan(1e-5)
        flash.release(appended, query, result.output, result.logSumExp)
        plan.destroy()
      }
    })

    test('unturned keys stay right while frequencies change with the length (dynamic NTK)', async () => {
      const flash = await library()
      const keys = flash.upload(all.key)
      const values = flash.upload(all.value)
      for (const row of [3, 7, 11]) {
        const base = 10000 * (1 + row) ** (dim / (dim - 2))
        const inverseFrequencies = Array.from(
          { length: dim / 2 },
          (_each, pair) => base ** ((-2 * pair) / dim),
        )
        const rope = rotaryEmbedding(dim, 'half', { inverseFrequencies })
        const sizes = { heads: 4, kvHeads: 2, queryLength: 1, keyLength: row + 1, headDim: dim }
        const plan = flash.plan({ ...sizes, rope })
        const shape = [1, 2, row + 1, dim]
        const query = flash.upload(part(all.query, row))
        const result = plan.forward({ query, key: { ...keys, shape }, value: { ...values, shape } })
        const actual = toFloat64Array(await flash.download(result.output))
        expect(largestError(actual, expected(rope, row))).toBeLessThan(1e-5)
        plan.destroy()
      }
      expect(toFloat64Array(await flash.download(keys))).toEqual(toFloat64Array(all.key))
    })
  })

  test('gradients are those of what was given, not of what it was turned into', async () => {
    const flash = await library()
    const rotary = rotaryEmbedding(8, 'half', { attentionFactor: 1.5 })
    const call = usualCall(rotary)
    const { query, key, value, options } = call
    const dOutput = fill(4, [2, 4, 20, 12])
    const forward = await flash.attention(query, key, value, { ...options, rope: rotary })
    const gradients = await flash.attentionBackward(query, key, value, forward, dOutput, {
      ...options,
      rope: rotary,
    })
    const turned = [call.turnQuery(query), call.turnKey(key), cast(value, 'float64')] as const
    const exact = standardGradients(...turned, cast(dOutput, 'float64'), options)
    const back = (view: Tensor, offset: number): Float64Array =>
      toFloat64Array(rotateByDefinition(view, rotary, (_each, row) => offset + row, -1))
    const close = (actual: Tensor, expected: Float64Array): void =>
      expect(largestError(toFloat64Array(actual), expected)).toBeLessThan(
        2e-5 * magnitude(expected),
      )
    close(gradients.dQuery, back(exact.dQuery, 25))
    close(gradients.dKey, back(exact.dKey, 0))
    close(gradients.dValue, toFloat64Array(exact.dValue))
  })

  test('turned tensors are accounted for, used again and freed', async () => {
    const flash = await library()
    const { query, key, value } = usualCall(rotaryEmbedding(16))
    const [q, k, v] = [flash.upload(query), flash.upload(key), flash.upload(value)]
    const before = flash.memory.allocatedBytes
    const plan = flash.plan({
      batch: 2,
      heads: 4,
      kvHeads: 2,
      queryLength: 20,
      keyLength: 45,
      headDim: 16,
      valueDim: 12,
      rope: rotaryEmbedding(16),
    })
    const rotated = (2 * 4 * 20 + 2 * 2 * 45) * 16 * 4
    const { rope, memoryBytes } = plan.explain()
    expect(rope).toEqual({
      turned: ['query', 'key'],
      by: 'kernel',
      reason: expect.stringContaining('turned once'),
      bytes: rotated,
    })
    expect(memoryBytes.rotated).toBe(rotated)
    expect(formatExplanation(plan.explain())).toMatch(/^rope +query and key, .+: turned once/m)
    const first = plan.forward({ query: q, key: k, value: v })
    const after = flash.memory.allocatedBytes
    expect(after - before).toBeGreaterThan(rotated)
    expect(after - before).toBeLessThan(rotated + 2 * 4 * 20 * 13 * 4 + 4096)
    plan.forward({ query: q, key: k, value: v, ...first })
    expect(flash.memory.allocatedBytes).toBe(after)
    plan.destroy()
    flash.release(first.output, first.logSumExp)
    expect(flash.memory.allocatedBytes).toBe(before)
    flash.release(q, k, v)
  })

  test('says what does not fit', async () => {
    const flash = await library()
    const sizes = { heads: 2, queryLength: 4, headDim: 8 }
    const plan = (rope: unknown) => () => flash.plan({ ...sizes, rope: rope as RopeOption })
    expect(plan({})).toThrow('flash.plan: rope needs an embedding for query, key or both')
    expect(plan(7)).toThrow('flash.plan: rope must be a rotary embedding, got number')
    expect(plan(rotaryEmbedding(16))).toThrow(
      'flash.plan: rope.query: rotaryDim must be even and at most headDim=8, got 16',
    )
    expect(plan({ key: rotaryEmbedding(8), keyPositions: [1] })).toThrow('numbers, got 1')
  })
})
