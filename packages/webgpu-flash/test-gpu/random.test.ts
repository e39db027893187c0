// Random problems of a fixed seed; tools/random draws them, `pnpm conformance --suites random` runs others.
import { describe, expect, test } from 'vitest'
import { onlyCore } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { runRandom } from '../../../tools/random/random-suite.ts'
import type { CallProblem } from '../../../tools/random/problem.ts'
import { runProblem } from '../../../tools/random/run-problem.ts'
import { reproduction } from '../../../tools/random/script.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()

// What a browser adds, the conformance suites try there.
const inBrowser = 'document' in globalThis

const dense = { query: 'dense', key: 'dense', value: 'dense', output: 'dense' } as const
const alike = { kind: 'call', lengths: 'plan', modifiers: [], layouts: dense } as const
const heads = { batch: 1, heads: 1, kvHeads: 1 }

/** What a GPU was told it got wrong, where one run of the plain program shows less than its precision costs. */
const lucky: readonly (readonly [string, CallProblem])[] = [
  [
    'dispatches that merge in an output of float16',
    {
      ...alike,
      seed: 41735604,
      shape: { ...heads, queryLength: 1, keyLength: 1169, headDim: 96, valueDim: 64 },
      dtype: 'float16',
      training: false,
      amplitude: 1,
      tile: 5,
      workBudget: 377600,
    },
  ],
  [
    'probabilities of large scores, computed again',
    {
      ...alike,
      seed: 844828286,
      shape: { ...heads, queryLength: 1, keyLength: 1, headDim: 127, valueDim: 4 },
      dtype: 'float32',
      training: true,
      amplitude: 6,
      scale: -0.3,
    },
  ],
  [
    'deltas of an output of float16, few rows',
    {
      ...alike,
      seed: 208418094,
      shape: { ...heads, heads: 2, queryLength: 1, keyLength: 3, headDim: 5, valueDim: 5 },
      dtype: 'float16',
      training: true,
      modifiers: [{ modifier: 'bias of -Infinity', numbers: [1, 0, 0, 1] }],
      amplitude: 2,
    },
  ],
]

/** One theme each, of few kernels: forward and backward on subgroup matrices, a ring of blocks, weights. */
const otherDraws = [
  ['matrices', 579],
  ['caches', 6],
  ['weights', 4],
] as const

describe.skipIf(!gpu || inBrowser).each(deviceKinds(gpu))('random problems, %s', (_, create) => {
  // Many share their kernels, which software adapters take a second or two each to compile.
  const count = Number(import.meta.env['ATTN_RANDOM'] || 300)
  const options = { seed: 4, count, themeLength: 75, mostFailures: 3 }

  test('come out as on the CPU in float64', { timeout: 900_000 }, async () => {
    const { failures, count, devicesLost } = await runRandom(create, options)
    const programs = failures.map(({ problem, findingsOfSmallest }) =>
      reproduction(problem, findingsOfSmallest),
    )
    expect(programs.join('\n')).toBe('')
    expect({ count, devicesLost }).toEqual({ count: options.count, devicesLost: 0 })
  })

  test.each(onlyCore() ? [] : otherDraws)(
    'of other draws come out as well: %s',
    { timeout: 600_000 },
    async (draw, seed) => {
      const given = { draw, seed, count: 8, themeLength: 8, shrinks: false }
      const { failures, passed } = await runRandom(create, given)
      expect(failures).toEqual([])
      expect(passed).toBe(given.count)
    },
  )

  test.each(lucky)(
    'come out where the plain program is lucky: %s',
    async (_name, problem) => {
      const flash = await create()
      try {
        expect(await runProblem(flash, problem)).toEqual([])
      } finally {
        flash.destroy()
      }
    },
    120_000,
  )

  // SwiftShader packs a half otherwise where its neighbour is no number.
  test('a half beside an infinite one in a word is what it is', async () => {
    const flash = await create()
    const problem: CallProblem = {
      ...alike,
      seed: 357319989,
      shape: { ...heads, batch: 2, queryLength: 1, keyLength: 1, headDim: 1, valueDim: 24 },
      dtype: 'float16',
      training: false,
      mask: { tree: ['unequal', 0, 'batch'] },
      amplitude: 1,
      visible: { tensor: 'value', spoiler: 'Infinity', place: 0.5877185417339206 },
    }
    expect(await runProblem(flash, problem)).toEqual([])
    flash.destroy()
  })
})
