// Gradients under masks that propose orders of their tokens, in passes that add up, and gradients whose rows
// several workgroups share: what the dense masked reference gives.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mask, scoreModifier } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { backwardProblems, conformanceCase, onlyCore } from '../../core/test/conformance/index.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'
import { gradientsWith, headDimOf } from './matrix-gradients.ts'
import { matrixKinds } from './small-matrix-tiles.ts'
import { fixed, proposing, strided } from './ordered-masks.ts'
import { expectClose, expectedGradients, runBackward } from './run-backward.ts'
import type { BackwardProblem } from './run-backward.ts'

const gpu = await acquireGpu()

const bias = scoreModifier('bias', (score, { query, key }) =>
  score.sub(query.sub(key).abs().toFloat().mul(0.01)),
)
/** The keys that sum up blocks, alone: all others have gradients of 0. */
const summaries = proposing(
  mask('summaries', ({ query, key }) => key.le(query).and(key.mod(64).ge(60))),
  { kind: 'periodicKeys', period: 64, first: 60, count: 4 },
)

const sizes = { batch: 1, heads: 2, kvHeads: 1, keyLength: 0, headDim: 16 }
const square = (length: number) => ({ ...sizes, queryLength: length, keyLength: length })
const parts = (problem: BackwardProblem) => ({ problem, inParts: true })

interface Case {
  readonly problem: BackwardProblem
  /** Whether dK and dV are summed in parts. */
  readonly inParts?: boolean
}
const cases: readonly (readonly [string, Case])[] = [
  ['strided, ragged', { problem: { ...square(1001), mask: strided(15) } }],
  ['fixed', { problem: { ...square(1100), mask: fixed(64, 4) } }],
  [
    'the same, cut into dispatches',
    { problem: { ...square(1100), mask: fixed(64, 4), workBudget: 2e7 } },
  ],
  ['keys that sum up blocks, alone, in parts', parts({ ...square(2400), mask: summaries })],
  ['few keys, natural order', parts({ ...sizes, queryLength: 2100, keyLength: 37 })],
  [
    'strided with padding, sinks, dropout and a score modifier',
    {
      problem: {
        ...square(512),
        headDim: 20,
        mask: strided(8),
        keyLengths: [450],
        queryOffset: 0,
        sinks: [0.5, -1],
        dropout: { rate: 0.25, seed: 7 },
        scoreModifiers: [bias],
      },
    },
  ],
]

// A CPU takes seconds to compile matrices, and minutes where other work keeps it busy.
describe.skipIf(!gpu)('gradients in orders of their own', { timeout: 180_000 }, () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu!, training: true })
  })
  afterAll(() => flash.destroy())

  test.each(onlyCore() ? cases.slice(0, 1) : cases)('%s', async (_, { problem, inParts }) => {
    const plan = flash.plan({ ...problem, training: true })
    const { query, key } = plan.explain().backward!
    plan.destroy()
    const saves = [query, key].map(({ orders }) =>
      orders?.reason.includes('fewer tiles than natural'),
    )
    expect(saves).toEqual(problem.mask ? [true, true] : [undefined, undefined])
    expect(key.blocks.visited * (problem.mask ? 3 : 1)).toBeLessThanOrEqual(key.blocks.total)
    expect(key.parts > 1).toBe(inParts ?? false)
    const gradients = await runBackward(flash, problem)
    expectClose(gradients, expectedGradients(problem))
    expect(await runBackward(flash, problem)).toEqual(gradients)
  })

  test.for(onlyCore() ? matrixKinds.slice(0, 1) : matrixKinds)(
    'on matrices, $name',
    async (kind, context) => {
      const tile =
        kind.smallTile(flash.capabilities) ??
        context.skip('this adapter has no subgroup matrices of float16')
      const headDim = headDimOf(kind, tile)
      const attend = gradientsWith(flash, { query: tile, key: tile })
      // What differs between the two is the same in either kind.
      const both = kind.dtype === 'float16' && !onlyCore()
      const asked = [
        { pattern: strided(8), kvHeads: 2 },
        ...(onlyCore() ? [] : [{ pattern: strided(8), kvHeads: 1 }]),
        ...(both ? [{ pattern: fixed(32, 2), kvHeads: 1 }] : []),
      ]
      for (const { pattern, kvHeads } of asked) {
        const shape = { heads: 2, kvHeads, queryLength: 129, keyLength: 129, headDim }
        const each = conformanceCase('in order', shape, { mask: pattern }, { dtype: kind.dtype })
        expect(await backwardProblems(each, attend)).toEqual([])
      }
    },
  )
})
