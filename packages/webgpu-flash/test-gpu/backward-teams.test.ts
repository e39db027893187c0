// Backward kernels whose threads form two teams: everything a pair can meet, on small tiles.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { floatTable, mask, scoreModifier, softcap } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { onlyCore } from '../../core/test/conformance/index.ts'
import { createFlashAttention } from '../src/index.ts'
import type { BackwardTile, FlashAttention } from '../src/index.ts'
import { defaultCapabilities } from '../src/device/capabilities.ts'
import type { Capabilities } from '../src/device/capabilities.ts'
import { planBackward } from '../src/plan/backward/backward-plan.ts'
import { planForward } from '../src/plan/plan.ts'
import { passKernel } from '../src/run/backward/backward-kernels.ts'
import { column } from './ordered-masks.ts'
import { expectClose, expectedGradients, runBackward } from './run-backward.ts'
import type { BackwardProblem } from './run-backward.ts'

const gpu = await acquireGpu()

const small: BackwardTile = {
  rows: 16,
  columns: 16,
  threadRows: 4,
  threadColumns: 4,
  dimChunk: 8,
  sourceChunk: 8,
  teams: 2,
}
const inParts: BackwardTile = {
  ...small,
  columns: 32,
  threadColumns: 8,
  sourceChunk: 4,
  parts: 2,
}

const causal = mask('causal', ({ query, key }) => key.le(query))
const slopes = floatTable('slopes', [0.5, 0.25], [2])
const bias = scoreModifier('bias', (score, { head, query, key }) =>
  score.sub(slopes.at(head).mul(query.sub(key).abs().toFloat())),
)
const sizes = { batch: 1, heads: 2, kvHeads: 1, queryLength: 45, keyLength: 70, headDim: 20 }
const both = (tile: BackwardTile) => ({ query: tile, key: tile })

const problems: readonly (readonly [string, BackwardProblem])[] = [
  ['one part, ragged', { ...sizes, backwardTiles: both(small) }],
  ['two parts, causal', { ...sizes, mask: causal, backwardTiles: both(inParts) }],
  [
    'two parts, softcap, bias, dropout and padding',
    {
      ...sizes,
      headDim: 16,
      scoreModifiers: [bias, softcap(2)],
      dropout: { rate: 0.3, seed: 5 },
      keyLengths: [51],
      backwardTiles: both(inParts),
    },
  ],
  [
    'tokens in an order of their own',
    {
      ...sizes,
      queryLength: 640,
      keyLength: 640,
      mask: column(12),
      backwardTiles: both(inParts),
    },
  ],
  [
    'four parts, narrower values',
    {
      ...sizes,
      headDim: 24,
      valueDim: 17,
      scoreModifiers: [softcap(2)],
      backwardTiles: both({ ...inParts, parts: 4 }),
    },
  ],
]

describe.skipIf(!gpu)('backward kernels of two teams', () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu!, training: true })
  })
  afterAll(() => flash.destroy())

  test.each(onlyCore() ? problems.slice(0, 1) : problems)('%s', async (_, problem) => {
    const plan = flash.plan({ ...problem, training: true })
    const { key, query } = plan.explain().backward!
    expect([key.tile, query.tile]).toMatchObject([{ teams: 2 }, { teams: 2 }])
    const ordered = query.orders?.reason.includes('fewer tiles') ?? false
    expect(ordered).toBe(problem.mask?.orders !== undefined)
    plan.destroy()
    expectClose(await runBackward(flash, problem), expectedGradients(problem))
  })

  // Kernels of the tiles for large devices take a software GPU minutes to compile.
  test.each([64, 128, 256])('the text for %i dims is valid', async (headDim) => {
    const { limits } = defaultCapabilities
    const large: Capabilities = {
      ...defaultCapabilities,
      limits: {
        ...limits,
        maxComputeWorkgroupStorageSize: 48 * 1024,
        maxComputeInvocationsPerWorkgroup: 1024,
      },
    }
    const forward = planForward({ heads: 2, queryLength: 500, headDim, mask: causal }, large)
    const plan = planBackward('test', forward, {}, large)
    const access = { dtype: 'float32', vector: true, nativeFloat16: false } as const
    const inputs = { query: access, key: access, value: access, dOutput: access, output: access }
    const accesses = { ...inputs, dQuery: access, dKey: access, dValue: access }
    for (const { passes } of [plan.key, plan.query]) {
      const { code } = passKernel(plan, passes[0], accesses)
      expect(code).toContain('let team = thread')
      const { messages } = await flash.device.createShaderModule({ code }).getCompilationInfo()
      expect(messages.filter(({ type }) => type === 'error').map(({ message }) => message)).toEqual(
        [],
      )
    }
  })

  test('gradients are the same bits every time', async () => {
    const problem = problems[0]![1]
    expect(await runBackward(flash, problem)).toEqual(await runBackward(flash, problem))
  })
})
