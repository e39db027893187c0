// Calls that are cut into several dispatches, for work or for limits, give what one dispatch gives.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cast, mask, standardAttention, toFloat64Array } from '@attn/core'
import type { AttentionOptions, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError, magnitude } from '../../core/test/conformance/index.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention, PlanOptions } from '../src/index.ts'
import { limitDevice } from './limited-device.ts'
import type { LimitedDevice } from './limited-device.ts'

const gpu = await acquireGpu()

const causal = mask('causal', ({ query, key }) => key.le(query))
const window = mask('window', ({ query, key }) => query.sub(key).abs().lt(40))
const perHead = mask('perHead', ({ batch, head, query, key }) =>
  query
    .sub(key)
    .abs()
    .lt(head.add(1).mul(30))
    .or(key.lt(batch.mul(9))),
)

const sizes = { batch: 2, heads: 4, kvHeads: 2, queryLength: 300, keyLength: 330, headDim: 20 }
const single = { batch: 1, heads: 1, kvHeads: 1, queryLength: 300, keyLength: 330, headDim: 20 }
/** Work of one pair of tiles of 64 queries and 32 keys, so that a budget counts such pairs. */
const pair = 64 * 32 * 2 * (20 + 20)

type Problem = typeof sizes & AttentionOptions & Pick<PlanOptions, 'workBudget' | 'dtype'>

const problems: readonly (readonly [string, Problem, Record<string, number>])[] = [
  ['keys, by work', { ...single, queryLength: 9, workBudget: 2 * pair }, {}],
  ['queries and keys, by work', { ...single, workBudget: 3 * pair }, {}],
  ['every axis, by work', { ...sizes, workBudget: pair }, {}],
  ['every axis under a mask, by work', { ...sizes, mask: causal, workBudget: pair }, {}],
  [
    'every axis under masks of their own, by work',
    { ...sizes, mask: perHead, workBudget: 2 * pair, keyLengths: [330, 170] },
    {},
  ],
  ['batch, by workgroups', { ...sizes, queryLength: 20 }, { maxComputeWorkgroupsPerDimension: 1 }],
  ['heads and queries, by workgroups', sizes, { maxComputeWorkgroupsPerDimension: 2 }],
  ['batch and heads, by bindings', sizes, { maxStorageBufferBindingSize: 33_000 }],
  ['queries and keys, by bindings', single, { maxStorageBufferBindingSize: 8_192 }],
  [
    'rows in order under a mask, by bindings',
    { ...sizes, mask: window },
    { maxStorageBufferBindingSize: 8_192 },
  ],
  [
    'rows longest first under a mask, by bindings',
    { ...sizes, mask: causal },
    { maxStorageBufferBindingSize: 33_000 },
  ],
  ['with query heads that share a key head', { ...sizes, kvHeads: 1, workBudget: 4 * pair }, {}],
]

describe.skipIf(!gpu)('a call cut into dispatches', () => {
  // One device for all, so that each kernel is compiled once.
  const limits: Record<string, number> = {}
  let limited: LimitedDevice
  let whole: FlashAttention
  beforeAll(async () => {
    const adapter = await gpu!.requestAdapter()
    limited = limitDevice(await adapter!.requestDevice(), limits)
    whole = await createFlashAttention({ device: limited.device })
  })
  afterAll(() => {
    whole.destroy()
    limited.device.destroy()
  })

  async function run(flash: FlashAttention, problem: Problem): Promise<[Tensor, Tensor]> {
    const { batch, heads, kvHeads, queryLength, keyLength, headDim } = problem
    const upload = (seed: number, shape: number[]) =>
      flash.upload(fill(seed, shape, 1, problem.dtype ?? 'float32'))
    const inputs = {
      query: upload(1, [batch, heads, queryLength, headDim]),
      key: upload(2, [batch, kvHeads, keyLength, headDim]),
      value: upload(3, [batch, kvHeads, keyLength, headDim]),
    }
    const plan = flash.plan(problem)
    const result = plan.forward(inputs)
    const output = await flash.download(result.output)
    const logSumExp = await flash.download(result.logSumExp)
    flash.release(...Object.values(inputs), result.output, result.logSumExp)
    plan.destroy()
    expect(flash.memory.allocatedBytes).toBe(0)
    return [output, logSumExp]
  }

  test.each(problems)('%s', async (_, problem, lowered) => {
    const { workBudget: _budget, ...uncut } = problem
    const expected = await run(whole, uncut)
    Object.assign(limits, lowered)
    const flash = await createFlashAttention({ device: limited.device })
    for (const name of Object.keys(lowered)) Reflect.deleteProperty(limits, name)
    const before = limited.count('createBindGroup')
    const parts = await run(flash, problem)
    // One bind group a dispatch.
    expect(limited.count('createBindGroup') - before).toBeGreaterThan(1)
    parts.forEach((part, index) => {
      const exact = toFloat64Array(expected[index]!)
      const difference = largestError(toFloat64Array(part), exact)
      expect(difference).toBeLessThan(1e-6 * magnitude(exact))
    })
    flash.destroy()
  })

  // Rounded once, and not at the merge of each part of the keys.
  test.each([
    ['float16', 'by work', { ...sizes, workBudget: pair }, {}, 11],
    ['bfloat16', 'by work', { ...sizes, workBudget: pair }, {}, 8],
    [
      'float16',
      'of rows that begin within a word',
      { ...sizes, headDim: 19, workBudget: pair },
      {},
      11,
    ],
    ['float16', 'by bindings', single, { maxStorageBufferBindingSize: 6_144 }, 11],
  ] as const)('%s, %s', async (dtype, _name, given, lowered, bits) => {
    const problem: Problem = { ...given, dtype }
    Object.assign(limits, lowered)
    const flash = await createFlashAttention({ device: limited.device })
    for (const name of Object.keys(lowered)) Reflect.deleteProperty(limits, name)
    const plan = flash.plan(problem)
    const { memoryBytes, dispatches } = plan.explain()
    const { batch, heads, queryLength, headDim } = problem
    expect(memoryBytes.parts).toBe(16 * batch * heads * queryLength * Math.ceil(headDim / 4))
    expect(dispatches).toBeGreaterThan(2)
    plan.destroy()
    const [output, logSumExp] = await run(flash, problem)
    const exact = standardAttention(
      ...([1, 2, 3].map((seed) => {
        const { kvHeads, keyLength } = problem
        const [own, length] = seed === 1 ? [heads, queryLength] : [kvHeads, keyLength]
        return cast(fill(seed, [batch, own, length, headDim], 1, dtype), 'float64')
      }) as [Tensor, Tensor, Tensor]),
    )
    const actual = toFloat64Array(output)
    // In halves of the last bit of each.
    const worst = toFloat64Array(exact.output).reduce((most, x, i) => {
      const half = 2 ** (Math.floor(Math.log2(Math.abs(x))) - bits)
      return Math.max(most, (Math.abs(actual[i]! - x) - 1e-7) / Math.max(half, 2 ** -25))
    }, 0)
    expect(worst).toBeLessThan(1.01)
    expect(largestError(toFloat64Array(logSumExp), toFloat64Array(exact.logSumExp))).toBeLessThan(
      1e-5,
    )
    flash.destroy()
  })
})
