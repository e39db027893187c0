// Variants that plans ask for in float16 on the devices people have, and that no other test meets there:
// tokens in an order of their own, and backward kernels of two teams. Each by the rule of the conformance
// suites: at most twice the error of a plain program in float16.
import { afterAll, describe, expect, test } from 'vitest'
import { mask } from '@attn/core'
import type { Mask } from '@attn/core'
import {
  backwardProblems,
  conformanceCase,
  forwardProblems,
} from '../../core/test/conformance/index.ts'
import type { ConformanceCase } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import type { AttentionPlan, BackwardTile, FlashAttention } from '../src/index.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()

const half = { dtype: 'float16' } as const
const everyTwelfth: Mask = {
  ...mask('everyTwelfth', ({ query, key }) => query.sub(key).mod(12).eq(0)),
  orders: [{ kind: 'residues', stride: 12 }],
}
const causal = mask('causal', ({ query, key }) => key.le(query))
const twoTeams: BackwardTile = {
  rows: 16,
  columns: 16,
  threadRows: 4,
  threadColumns: 4,
  dimChunk: 8,
  sourceChunk: 8,
  teams: 2,
}

/** What is wrong with the gradients of a plan. */
async function gradientProblems(
  flash: FlashAttention,
  each: ConformanceCase,
  plan: AttentionPlan,
): Promise<readonly string[]> {
  return backwardProblems(each, async (q, k, v, d) => {
    const [query, key, value, dOutput] = [q, k, v, d].map((tensor) => flash.upload(tensor))
    const given = { query: query!, key: key!, value: value! }
    const forward = plan.forward(given)
    const gradients = plan.backward({ ...given, ...forward, dOutput: dOutput! })
    return {
      dQuery: await flash.download(gradients.dQuery),
      dKey: await flash.download(gradients.dKey),
      dValue: await flash.download(gradients.dValue),
      dTables: new Map(),
    }
  })
}

function planOptions({ shape, dtype, options }: ConformanceCase) {
  const { parameters: _, ...others } = options
  return { ...shape, dtype, ...others }
}

describe.skipIf(!gpu).each(deviceKinds(gpu))('float16, %s', (_, create) => {
  let made: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (made ??= create())
  afterAll(async () => (await made)?.destroy())

  test('tokens in an order of their own', async () => {
    const flash = await library()
    const sizes = { queryLength: 640, headDim: 20 }
    const each = conformanceCase('residues', sizes, { mask: everyTwelfth }, half)
    const plan = flash.plan(planOptions(each))
    expect(plan.explain().passes?.chosen).not.toBe(plan.explain().passes?.candidates[0]!.name)
    plan.destroy()
    expect(await forwardProblems(each, (...call) => flash.attention(...call))).toEqual([])
  })

  test('gradients of tokens in an order of their own', async () => {
    const flash = await library()
    const sizes = { queryLength: 640, headDim: 20 }
    const each = conformanceCase('residues', sizes, { mask: everyTwelfth }, half)
    const plan = flash.plan({ ...planOptions(each), training: true })
    const { key, query } = plan.explain().backward!
    const fewer: unknown = expect.stringContaining('fewer tiles')
    expect([key, query].map(({ orders }) => orders?.reason)).toEqual([fewer, fewer])
    expect(await gradientProblems(flash, each, plan)).toEqual([])
    plan.destroy()
  })

  test('two teams of threads in the backward pass', async () => {
    const flash = await library()
    const sizes = { heads: 2, kvHeads: 1, queryLength: 45, keyLength: 70, headDim: 20 }
    const each = conformanceCase('two teams', sizes, { mask: causal }, half)
    const plan = flash.plan({
      ...planOptions(each),
      training: true,
      backwardTiles: { query: twoTeams, key: twoTeams },
    })
    const { key: ofKeys, query: ofQueries } = plan.explain().backward!
    expect([ofKeys.tile, ofQueries.tile]).toMatchObject([{ teams: 2 }, { teams: 2 }])
    expect(await gradientProblems(flash, each, plan)).toEqual([])
    plan.destroy()
  })
})
