// Few queries over many keys: the conformance cases cut to their last rows, keys cut into every number
// of parts, and lengths that come with each call.
import { afterAll, describe, expect, test } from 'vitest'
import { mask, resolveOptions, slice, standardAttention, toFloat64Array } from '@attn/core'
import type { AttentionOptions, Mask, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import {
  checkForward,
  chosenCases,
  conformanceCases,
  dropoutCases,
  fill,
  largestError,
  sinkCases,
  transposed,
} from '../../core/test/conformance/index.ts'
import type { ConformanceCase } from '../../core/test/conformance/index.ts'
import { createFlashAttention } from '../src/index.ts'
import type { DecodeTile, FlashAttention, PlanOptions } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { limitDevice } from './limited-device.ts'

const gpu = await acquireGpu()

/** What decoding does in a way of its own; everything else it shares with the other kernels. */
const chosen = [
  /headDim (1|4|80|128|256)\b/,
  /in memory|odd element|slices along|another layout/,
  /padd|each sequence|before the first key/,
  /mask: (fixed|a window for each head|heads that see|random|queryLength)/,
  /score: (T5|softcap, then|whole rows|a float)/,
  /scores of|near -|see nothing|only the sink/,
  /float16|grouped heads|64 bits|for each head/,
  /hidden |visible (NaN|Infinity) in|largest float/,
]

/** The same call with its last `rows` queries alone. */
function lastRows(each: ConformanceCase, rows: number): ConformanceCase {
  const { shape, options } = each
  const before = Math.max(0, shape.queryLength - rows)
  const { queryOffsets } = resolveOptions('test', shape, options)
  return {
    ...each,
    name: `${each.name}: last ${shape.queryLength - before}`,
    shape: { ...shape, queryLength: shape.queryLength - before },
    options: { ...options, queryOffset: Array.from(queryOffsets, (offset) => offset + before) },
    inputs: () => {
      const inputs = each.inputs()
      return { ...inputs, query: slice(inputs.query, 2, before, shape.queryLength) }
    },
  }
}

const cases = chosenCases(
  [...conformanceCases(), ...dropoutCases(), ...sinkCases()]
    // Sequences that are packed in all queries are not in the last of them.
    .filter(({ name, options }) => !options.sequences && chosen.some((one) => one.test(name))),
).map((each, index) => lastRows(each, [1, 3, 16][index % 3]!))

describe.skipIf(!gpu).each(deviceKinds(gpu))('decoding, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  test.each(cases)('$name', async (each) => {
    expect.hasAssertions()
    const flash = await library()
    await checkForward(each, async (...call) => flash.attention(...call))
  })

  const sizes = { batch: 3, heads: 6, kvHeads: 2, queryLength: 2, keyLength: 300, headDim: 16 }
  const inputs = [
    fill(1, [3, 6, 2, 16], 2),
    fill(2, [3, 2, 300, 16], 2),
    fill(3, [3, 2, 300, 16]),
  ] as const

  async function errorOf(
    planned: Partial<PlanOptions>,
    call: Pick<AttentionOptions, 'keyLengths' | 'queryOffset'>,
    tensors: readonly [Tensor, Tensor, Tensor] = inputs,
    run?: (plan: ReturnType<FlashAttention['plan']>) => void,
  ): Promise<number> {
    const flash = await library()
    const uploaded = tensors.map((each) => flash.upload(each))
    const [query, key, value] = uploaded
    const plan = flash.plan({ ...sizes, ...planned })
    run?.(plan)
    const given = planned.lengths === 'call' ? call : {}
    const result = plan.forward({
      query: query!,
      key: key!,
      value: value!,
      ...(given as { keyLengths: number[] }),
    })
    const expected = standardAttention(...tensors, {
      ...call,
      mask: planned.mask,
    })
    const errors = (['output', 'logSumExp'] as const).map(async (part) =>
      largestError(
        toFloat64Array(await flash.download(result[part])),
        toFloat64Array(expected[part]),
      ),
    )
    const worst = Math.max(...(await Promise.all(errors)))
    plan.destroy()
    flash.release(...uploaded, result.output, result.logSumExp)
    return worst
  }

  // Chunks of 32 keys, so that 300 keys are 10 chunks.
  const narrow = { threads: 32, lanes: 4, rows: 8, keysAhead: 4 }

  test.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 4],
    [7, 5],
    [10, 10],
    [99, 10],
  ])('at most %i parts: %i', async (parts, expected) => {
    const tile: Partial<DecodeTile> = { ...narrow, workgroups: parts * 3 * 2 }
    const keyLengths = [300, 0, 33]
    const error = await errorOf(
      { keyLengths, decodeTile: tile },
      { keyLengths },
      inputs,
      (plan) => {
        expect(plan.explain().decode?.parts).toBe(expected)
      },
    )
    expect(error).toBeLessThan(1e-5)
  })

  test.each([1, 2, 4, 8])('tiles of %i rows, whatever the rows that share keys', async (rows) => {
    const tile = { ...narrow, rows, keysAhead: rows < 4 ? 4 : 2 }
    expect(await errorOf({ decodeTile: tile }, {})).toBeLessThan(1e-5)
  })

  test('shuffles within a subgroup, where there are subgroups', async () => {
    const { subgroups } = (await library()).capabilities
    const shuffles = subgroups !== undefined && subgroups.minimum >= 4
    for (const more of [{ rows: 1, keysAhead: 4 }, { rows: 2, keysAhead: 2 }, { rows: 4 }]) {
      const decodeTile = { ...narrow, ...more, shuffles }
      expect(await errorOf({ decodeTile }, {})).toBeLessThan(1e-5)
    }
  })

  test.each([false, true])('loads ahead of what is computed with, shuffles %s', async (wanted) => {
    const { subgroups } = (await library()).capabilities
    const shuffles = wanted && subgroups !== undefined && subgroups.minimum >= 4
    const decodeTile = { ...narrow, shuffles, loadsAhead: true, workgroups: 18 }
    const keyLengths = [300, 0, 33]
    expect(await errorOf({ decodeTile, keyLengths }, { keyLengths })).toBeLessThan(1e-5)
  })

  const window = mask('window', ({ query, key }) => key.le(query).and(key.gt(query.sub(40))))
  const sinksAndWindow = mask('sinksAndWindow', ({ query, key }) =>
    key.le(query).and(key.gt(query.sub(40)).or(key.lt(4))),
  )

  test.each<[string, Mask, number]>([
    ['a window', window, 2 * 32],
    ['the first keys and a window', sinksAndWindow, 3 * 32],
  ])('keys outside of %s are not read', async (_name, pattern, most) => {
    const poisoned = inputs.map((each, index) =>
      index === 0 ? each : poison(each),
    ) as unknown as readonly [Tensor, Tensor, Tensor]
    const flash = await library()
    const plan = flash.plan({ ...sizes, mask: pattern, decodeTile: narrow })
    expect(plan.explain().blocks.visited * 32).toBeLessThanOrEqual(most * 3 * 2)
    plan.destroy()
    const uploaded = poisoned.map((each) => flash.upload(each))
    const [query, key, value] = uploaded
    const bound = flash.plan({ ...sizes, mask: pattern, decodeTile: narrow })
    const { output } = bound.forward({ query: query!, key: key!, value: value! })
    const expected = standardAttention(...inputs, { mask: pattern })
    const actual = toFloat64Array(await flash.download(output))
    expect(largestError(actual, toFloat64Array(expected.output))).toBeLessThan(1e-5)
    bound.destroy()
    flash.release(...uploaded, output)
  })

  /** NaN in the rows 64 .. 223, which neither the window nor the first keys touch. */
  function poison(view: Tensor): Tensor {
    const storage = Float32Array.from(view.storage)
    for (let i = 0; i < storage.length; i++) {
      const row = Math.floor(i / 16) % 300
      if (row >= 64 && row < 224) storage[i] = Number.NaN
    }
    return { ...view, storage }
  }

  describe('lengths that come with each call', () => {
    test.each<[string, Mask | undefined]>([
      ['no mask', undefined],
      ['a window', window],
    ])('one plan for all lengths, %s', async (_name, pattern) => {
      const options = {
        lengths: 'call',
        decodeTile: narrow,
        ...(pattern ? { mask: pattern } : {}),
      } as const
      for (const keyLengths of [
        [0, 1, 2],
        [31, 32, 33],
        [300, 64, 5],
      ]) {
        expect(await errorOf(options, { keyLengths })).toBeLessThan(1e-5)
      }
      const moved = { keyLengths: [300, 200, 100], queryOffset: [50, 10, 20] }
      expect(await errorOf(options, moved)).toBeLessThan(1e-5)
    })

    test('many queries, as of a prompt', async () => {
      const prompt = [
        fill(4, [1, 4, 37, 16], 2),
        fill(5, [1, 2, 90, 16], 2),
        transposed(fill(6, [1, 2, 90, 16])),
      ] as const
      const causal = mask('causal', ({ query, key }) => key.le(query))
      const shape = { batch: 1, heads: 4, queryLength: 37, keyLength: 1000 }
      const options = { ...shape, mask: causal, lengths: 'call', decodeTile: narrow } as const
      expect(await errorOf(options, { keyLengths: [80] }, prompt)).toBeLessThan(1e-5)
    })

    test('what does not fit is said', async () => {
      const flash = await library()
      const plan = flash.plan({ ...sizes, lengths: 'call' })
      const [query, key, value] = inputs.map((each) => flash.upload(each))
      const call = { query: query!, key: key!, value: value! }
      expect(() => plan.forward(call)).toThrow(
        "plan.forward: a plan with lengths: 'call' needs keyLengths, got none",
      )
      expect(() => plan.forward({ ...call, keyLengths: 301 })).toThrow('0..300, got 301')
      expect(() => plan.forward({ ...call, keyLengths: [1, 2] })).toThrow('each of 3 sequences')
      const fixed = flash.plan(sizes)
      expect(() => fixed.forward({ ...call, keyLengths: 7 })).toThrow(
        "plan.forward: keyLengths belongs to the plan, got one for the call; plan with lengths: 'call'",
      )
      plan.destroy()
      fixed.destroy()
    })
  })
})

test.skipIf(!gpu)('a cache that grows compiles nothing and plans nothing', async () => {
  const adapter = await gpu!.requestAdapter()
  const limited = limitDevice(await adapter!.requestDevice())
  const flash = await createFlashAttention({ device: limited.device })
  const query = flash.empty([1, 2, 1, 16])
  const key = flash.empty([1, 2, 2000, 16])
  const value = flash.empty([1, 2, 2000, 16])
  const plan = flash.plan({
    heads: 2,
    queryLength: 1,
    keyLength: 2000,
    headDim: 16,
    lengths: 'call',
  })
  await plan.compile()
  const compiled = limited.count('createComputePipelineAsync')
  const outputs = plan.createOutputs()
  for (const keyLengths of [1, 7, 500, 1999, 2000]) {
    plan.forward({ query, key, value, keyLengths, ...outputs })
  }
  await flash.finished()
  expect(compiled).toBe(3)
  expect(limited.count('createComputePipelineAsync')).toBe(compiled)
  expect(limited.count('createComputePipeline')).toBe(0)
  flash.destroy()
  limited.device.destroy()
})
