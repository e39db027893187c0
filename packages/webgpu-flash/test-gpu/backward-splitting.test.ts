// Backward passes that are cut into several dispatches, for work or for limits, give the same
// gradients; and every pass gives the same bits each time.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { floatTable, mask, scoreModifier, softcap } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'
import { limitDevice } from './limited-device.ts'
import type { LimitedDevice } from './limited-device.ts'
import { expectClose, expectedGradients, runBackward } from './run-backward.ts'
import type { BackwardProblem } from './run-backward.ts'

const gpu = await acquireGpu()

const causal = mask('causal', ({ query, key }) => key.le(query))
const perHead = mask('perHead', ({ batch, head, query, key }) =>
  query
    .sub(key)
    .abs()
    .lt(head.add(1).mul(30))
    .or(key.lt(batch.mul(9))),
)
const slopes = floatTable('slopes', [0.1, 0.2, 0.05, 0.4], [4], { trainable: true })
const learnedAlibi = scoreModifier('learnedAlibi', (score, { head, query, key }) =>
  score.sub(slopes.at(head).mul(query.sub(key).abs().toFloat())),
)

const sizes = { batch: 2, heads: 4, kvHeads: 2, queryLength: 150, keyLength: 170, headDim: 20 }
const single = { batch: 1, heads: 1, kvHeads: 1, queryLength: 300, keyLength: 330, headDim: 20 }
/** Several workgroups share the rows of dQ. */
const few = { batch: 2, heads: 2, kvHeads: 1, queryLength: 5, keyLength: 2100, headDim: 20 }
/** Work of one pair of tiles of the kernel of dK and dV. */
const pair = 64 * 32 * 4 * (20 + 20)

const problems: readonly (readonly [string, BackwardProblem, Record<string, number>])[] = [
  ['rows and columns, by work', { ...single, workBudget: 3 * pair }, {}],
  ['every axis, by work', { ...sizes, workBudget: pair }, {}],
  [
    'every axis under masks of their own, by work',
    { ...sizes, mask: perHead, workBudget: 2 * pair, keyLengths: [170, 70] },
    {},
  ],
  ['query heads of one key head, by work', { ...sizes, kvHeads: 1, workBudget: 2 * pair }, {}],
  ['few queries and many keys, in parts', few, {}],
  [
    'the same under a mask, by work, with odd dims',
    { ...few, headDim: 5, mask: causal, workBudget: 40 * pair },
    {},
  ],
  ['batch and heads, by workgroups', sizes, { maxComputeWorkgroupsPerDimension: 1 }],
  ['batch and heads, by bindings', sizes, { maxStorageBufferBindingSize: 20_000 }],
  [
    'rows in order under a mask, by bindings',
    { ...single, mask: causal, kvHeads: 1, heads: 2 },
    { maxStorageBufferBindingSize: 12_288 },
  ],
  [
    'with dropout, sinks, a softcap and a table',
    {
      ...sizes,
      mask: causal,
      scoreModifiers: [learnedAlibi, softcap(3)],
      dropout: { rate: 0.2, seed: 5 },
      sinks: [0, 1, -1, 2],
      workBudget: pair,
    },
    { maxComputeWorkgroupsPerDimension: 3 },
  ],
]

describe.skipIf(!gpu)('a backward pass cut into dispatches', () => {
  // One device for all, so that kernels which several have in common are compiled once.
  const lowered: Record<string, number> = {}
  let limited: LimitedDevice
  beforeAll(async () => {
    const adapter = await gpu!.requestAdapter()
    limited = limitDevice(await adapter!.requestDevice(), lowered)
  })
  afterAll(() => limited.device.destroy())

  test.each(problems)('%s', async (_, problem, limits) => {
    for (const name of Object.keys(lowered)) delete lowered[name]
    Object.assign(lowered, limits)
    const flash = await createFlashAttention({ device: limited.device, training: true })
    const before = limited.count('createBindGroup')
    const gradients = await runBackward(flash, problem)
    expect(limited.count('createBindGroup') - before).toBeGreaterThan(4)
    expectClose(gradients, expectedGradients(problem))
    flash.destroy()
  })
})

describe.skipIf(!gpu)('a backward pass run twice', () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu!, training: true })
  })
  afterAll(() => flash.destroy())

  test.each([
    ['dense', { ...sizes, queryLength: 133, keyLength: 133 }],
    ['cut into dispatches', { ...sizes, workBudget: 4 * pair }],
    [
      'with everything',
      {
        ...sizes,
        mask: causal,
        scoreModifiers: [learnedAlibi, softcap(3)],
        dropout: { rate: 0.2, seed: 5 },
        sinks: [0, 1, -1, 2],
      },
    ],
    ['in float16', { ...sizes, headDim: 16, mask: causal, dtype: 'float16' as const }],
    ['in parts', few],
  ])('gives the same bits, %s', async (_, problem) => {
    expect(await runBackward(flash, problem)).toEqual(await runBackward(flash, problem))
  })
})
