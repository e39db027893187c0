// Tuning on a device: few and small kernels, next to no budget. What is the fastest does not matter
// here; that what is measured is right, and that nothing is left behind, does.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mask, standardAttention, toFloat64Array } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention, TuningRecord } from '../src/index.ts'
import { holdContest } from '../src/tune/contest.ts'
import type { Contestant } from '../src/tune/contest.ts'
import { randomTensor } from '../src/tune/random-tensor.ts'
import { createDeviceStopwatch } from '../src/tune/stopwatch.ts'

const gpu = await acquireGpu()

const sizes = { heads: 2, queryLength: 40, headDim: 16 } as const
// Rows that see nothing too: their log-sum-exp is -Infinity.
const later = mask('later', ({ query, key }) => key.gt(query))
const short = { budgetMilliseconds: 60, warmUpMilliseconds: 5, candidates: 2 }

describe.skipIf(!gpu)('flash.tune', () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu!, training: true })
  })
  afterAll(() => flash.destroy())

  test('measures candidates, forward and backward, and plans then take the fastest', async () => {
    const told: number[] = []
    const shapes = { ...sizes, mask: later, training: true }
    const record = await flash.tune({
      shapes,
      ...short,
      onProgress: ({ done }) => void told.push(done),
    })
    expect(flash.memory.allocatedBytes).toBe(0)
    expect(told.at(-1)).toBe(1)
    expect(told).toEqual(told.toSorted((left, right) => left - right))

    const [entry] = record.entries
    expect(entry).toMatchObject({
      dtype: 'float32',
      queryLengths: { from: 17, to: 64 },
      masked: true,
      call: { queryLength: 40, mask: 'later' },
    })
    for (const kernel of [entry!.forward, entry!.backward!.query, entry!.backward!.key]) {
      expect(kernel.skipped).toEqual([])
      expect(kernel.measured).toHaveLength(2)
      expect(kernel.measured.map(({ tile }) => tile)).toContainEqual(kernel.best)
      for (const { milliseconds } of kernel.measured) expect(milliseconds).toBeGreaterThan(0)
    }

    // As a site would ship it, with the other tile as the best, so that it is not the model's.
    const shipped = JSON.parse(JSON.stringify(record)) as TuningRecord
    const { forward } = shipped.entries[0]!
    const other = forward.measured[1]!.tile
    Object.assign(forward, { best: other, speedUp: 1.5 })
    const tuned = await createFlashAttention({ gpu: gpu!, tuning: shipped, training: true })
    const plan = tuned.plan(shapes)
    expect(plan.explain().tile).toEqual(other)
    expect(plan.explain().reason).toBe("tuned on this device: 1.50x over the model's choice")
    const inputs = [1, 2, 3].map((seed) => fill(seed, [1, 2, 40, 16]))
    const [query, key, value] = inputs as [
      (typeof inputs)[0],
      (typeof inputs)[0],
      (typeof inputs)[0],
    ]
    const result = await tuned.attention(query, key, value, { mask: later })
    const expected = standardAttention(query, key, value, { mask: later })
    expect(
      largestError(toFloat64Array(result.output), toFloat64Array(expected.output)),
    ).toBeLessThan(1e-5)
    tuned.destroy()
  })

  test('ends when told to, and frees what it held', async () => {
    const controller = new AbortController()
    const reason = new Error('no time')
    const tuning = flash.tune({
      shapes: [sizes, sizes],
      ...short,
      signal: controller.signal,
      // While it measures, when everything there is has been made.
      onProgress: ({ done }) => {
        if (done >= 0.25) controller.abort(reason)
      },
    })
    await expect(tuning).rejects.toBe(reason)
    expect(flash.memory.allocatedBytes).toBe(0)
  })

  test.each([
    ['candidates', { candidates: 0 }, 'candidates must be a positive integer, got 0'],
    ['budget', { budgetMilliseconds: -1 }, 'budgetMilliseconds must be a number, at least 0'],
    ['shape', { shapes: { ...sizes, headDim: 600 } }, 'at most 512, got 600 and 600'],
  ])('refuses a %s out of range', async (_, change, message) => {
    await expect(flash.tune({ shapes: sizes, ...change })).rejects.toThrow(RangeError)
    await expect(flash.tune({ shapes: sizes, ...change })).rejects.toThrow(message)
    expect(flash.memory.allocatedBytes).toBe(0)
  })

  test('names candidates that fail or compute something else', async () => {
    const { device } = flash
    const input = (seed: number) => randomTensor(flash, [1, 2, 40, 16], 'float32', seed)
    const inputs = { query: input(1), key: input(2), value: input(3) }
    const own = flash.plan(sizes)
    const outputs = own.createOutputs()
    const stopwatch = createDeviceStopwatch(device)
    const contestants: Contestant<string>[] = [
      { tile: 'own', makePlan: () => flash.plan(sizes) },
      { tile: 'wrong', makePlan: () => flash.plan({ ...sizes, scale: 0.5 }) },
      {
        tile: 'broken',
        makePlan: () => ({
          ...flash.plan(sizes),
          compile: () => Promise.reject(new Error('the driver refuses')),
        }),
      },
    ]
    const hold = (entrants: readonly Contestant<string>[]) =>
      holdContest(
        flash,
        stopwatch,
        entrants,
        {
          encode: (plan) => (encoder, timestampWrites) =>
            plan.encodeForward(encoder, { ...inputs, ...outputs }, timestampWrites),
          results: [outputs.output, outputs.logSumExp],
        },
        { budgetMilliseconds: 10, warmUpMilliseconds: 0, sampleMilliseconds: 1 },
        () => {},
      )
    const { best, measured, skipped } = await hold(contestants)
    expect(best).toBe('own')
    expect(measured.map(({ tile }) => tile)).toEqual(['own'])
    expect(skipped).toEqual([
      { tile: 'wrong', reason: expect.stringContaining("where the planner's choice computes") },
      { tile: 'broken', reason: 'the driver refuses' },
    ])
    await expect(hold(contestants.toReversed())).rejects.toThrow('the driver refuses')
    stopwatch.destroy()
    own.destroy()
    flash.release(...Object.values(inputs), outputs.output, outputs.logSumExp)
    expect(flash.memory.allocatedBytes).toBe(0)
  })

  test('reads the wall clock where the device has no timestamps', async () => {
    const adapter = await gpu!.requestAdapter()
    const plain = await createFlashAttention({ device: await adapter!.requestDevice() })
    const record = await plain.tune({
      shapes: { ...sizes, queryLength: 1, keyLength: 40, dtype: 'float16' },
      ...short,
    })
    expect(record.clock).toBe('wall-clock')
    const { measured } = record.entries[0]!.forward
    expect(measured.map(({ tile }) => typeof tile)).toEqual(['string', 'object'])
    for (const { milliseconds } of measured) expect(milliseconds).toBeGreaterThan(0)
    expect(plain.memory.allocatedBytes).toBe(0)
    plain.device.destroy()
  })
})
