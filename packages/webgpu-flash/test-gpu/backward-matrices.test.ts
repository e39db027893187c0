// The backward kernels on subgroup matrices, of float16 and of split float32: everything a pair can meet, by
// the rule of twice the error of a plain implementation of the same precision. Adapters with matrices that
// the planner takes run all conformance cases on them besides.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { floatTable, mask, scoreModifier, softcap, tensorFrom, toFloat64Array } from '@attn/core'
import type { AttentionOptions, Tensor } from '@attn/core'
import { backwardProblems, conformanceCase, onlyCore } from '../../core/test/conformance/index.ts'
import type { ConformanceCase } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention, PlanOptions } from '../src/index.ts'
import { gradientsWith, headDimOf } from './matrix-gradients.ts'
import { strided } from './ordered-masks.ts'
import { matrixKinds } from './small-matrix-tiles.ts'

const gpu = await acquireGpu()

const causal = mask('causal', ({ query, key }) => key.le(query))
const slopes = floatTable('slopes', [0.5, 0.25], [2])
const distance = scoreModifier('distance', (score, { head, query, key }) =>
  score.sub(slopes.at(head).mul(query.sub(key).abs().toFloat())),
)
const trained = floatTable('trained', [0.5, -0.25], [2], { trainable: true })
const byParity = scoreModifier('byParity', (score, { key }) => score.add(trained.at(key.mod(2))))
const dropout = { rate: 0.3, seed: 5 }
const sizes = { heads: 2, kvHeads: 1, queryLength: 29, keyLength: 43 }

/** Replaces a row of every head, or one number of it. */
const spoilt = (view: Tensor, bad: number, row: number, dim?: number): Tensor => {
  const [, , length, dims] = view.shape as [number, number, number, number]
  const values = toFloat64Array(view).map((value, at) =>
    Math.floor(at / dims) % length === row && (dim === undefined || at % dims === dim)
      ? bad
      : value,
  )
  return tensorFrom(values, view.shape, view.dtype)
}

type Spoilt = 'query' | 'key' | 'value' | 'dOutput'
/** What stands in place of a row, or of one number of it. */
type Spoiling = readonly [name: Spoilt, bad: number, row: number, dim?: number]

/** One of the runs. */
interface Run {
  readonly name: string
  readonly sizes?: Partial<typeof sizes & { batch: number }>
  readonly options?: AttentionOptions
  readonly plan?: Partial<PlanOptions>
  readonly spoils?: readonly Spoiling[]
  /** How many times as wide as the others' heads are. Default: 1. */
  readonly width?: number
  /** Kernels on matrices. Default: both. */
  readonly kernels?: readonly ('query' | 'key')[]
  /** Whether the tile is the other one, or that for few tokens, of float16 only. */
  readonly other?: boolean
  readonly fewTokens?: boolean
  /** Whether kernels of split float32 leave it out, which differ in nothing there. */
  readonly onlyFloat16?: boolean
  /** Whether a core has it. */
  readonly inCore?: boolean
}

// Runs of one mask share their kernels.
const ragged = { options: { mask: causal }, inCore: true } as const
const hiddenKeys = { options: { mask: causal, queryOffset: 0 }, inCore: true } as const
const cut = { plan: { workBudget: 20_000 } } as const
/** In two passes: the second goes on with what the first summed. */
const passes = {
  sizes: { queryLength: 129, keyLength: 129 },
  options: { mask: strided(8) },
} as const
/** Rows that meet few tokens: sums leave in two steps, and in half a third. */
const fewTokens = {
  fewTokens: true,
  sizes: { kvHeads: 2 },
  width: 5,
  onlyFloat16: true,
} as const
const runs: readonly Run[] = [
  { name: 'ragged ends, grouped heads, causal', ...ragged },
  { name: 'dispatches that add to what earlier ones wrote', ...ragged, ...cut },
  { name: 'NaN in the first query', ...ragged, spoils: [['query', NaN, 0]] },
  { name: 'NaN in the first gradient', ...ragged, spoils: [['dOutput', NaN, 0]] },
  { name: 'NaN in the last key', ...ragged, spoils: [['key', NaN, 42]] },
  { name: 'an infinity in a value', ...ragged, spoils: [['value', Infinity, 30, 1]] },
  { name: '-Infinity in a query', ...ragged, spoils: [['query', -Infinity, 7, 1]] },
  {
    name: '-Infinity in a query, dispatches that add up',
    ...ragged,
    ...cut,
    spoils: [['query', -Infinity, 7, 1]],
  },
  {
    name: 'keys that nobody sees are -Infinity',
    ...hiddenKeys,
    spoils: [33, 38, 42].map((row) => ['key', -Infinity, row]),
  },
  {
    name: 'keys and values that nobody sees are NaN',
    ...hiddenKeys,
    spoils: [
      ['key', NaN, 31],
      ['value', NaN, 40],
    ],
  },
  {
    name: 'wider heads, whose sums leave in a loop',
    width: 2,
    options: {},
    kernels: ['query'],
    other: true,
    onlyFloat16: true,
  },
  { ...fewTokens, name: 'few tokens', options: { mask: causal }, inCore: true },
  { ...fewTokens, ...cut, name: 'few tokens, dispatches that add up', options: { mask: causal } },
  {
    ...fewTokens,
    ...cut,
    name: 'few tokens, -Infinity in a query, dispatches that add up',
    options: { mask: causal },
    spoils: [['query', -Infinity, 7, 1]],
  },
  {
    ...fewTokens,
    name: 'few tokens, grouped heads, passes, NaN in a value',
    sizes: passes.sizes,
    options: passes.options,
    spoils: [['value', NaN, 77]],
  },
  { name: 'no mask', options: {} },
  { name: 'no mask, -Infinity in a query', options: {}, spoils: [['query', -Infinity, 7, 1]] },
  {
    name: 'modifiers, dropout, sinks and padding',
    sizes: { batch: 3 },
    options: {
      scoreModifiers: [distance, softcap(2)],
      dropout,
      sinks: [0.5, -1],
      keyLengths: [43, 0, 21],
    },
    other: true,
    inCore: true,
  },
  { name: 'passes, an infinity in a value', ...passes, spoils: [['value', Infinity, 30, 1]] },
  { name: 'passes, NaN in a key', ...passes, spoils: [['key', NaN, 77]] },
  { name: 'passes, a scale of 0', ...passes, options: { ...passes.options, scale: 0 } },
  {
    name: 'packed sequences with dropout',
    sizes: { keyLength: 29 },
    options: {
      sequences: { cumulativeQueryLengths: [0, 11, 11, 29] },
      mask: causal,
      dropout,
    },
    onlyFloat16: true,
  },
  {
    name: 'trained tables: dK and dV on matrices, dQ in plain WGSL',
    options: { scoreModifiers: [byParity] },
    kernels: ['key'],
    // Of float32 all kernels round scores alike: plan/backward/alike-scores.ts.
    onlyFloat16: true,
  },
]

// A CPU takes seconds to compile matrices, and minutes where other work keeps it busy.
const settings = { timeout: 180_000 }
describe.skipIf(!gpu).each(matrixKinds)(
  'backward kernels on subgroup matrices, $name',
  settings,
  (kind) => {
    let flash: FlashAttention
    beforeAll(async () => {
      flash = await createFlashAttention({ gpu: gpu!, training: true })
    })
    afterAll(() => flash.destroy())

    /** Skips where there are no matrices. */
    const tileOf = (context: { skip(note: string): never }) => {
      const tile = kind.smallTile(flash.capabilities)
      if (!tile) context.skip('this adapter has no subgroup matrices of float16')
      return tile
    }
    const caseOf = ({ name, options = {}, ...run }: Run, headDim: number): ConformanceCase => {
      const spoil = (name: Spoilt, view: Tensor): Tensor =>
        (run.spoils ?? []).reduce(
          (given, [of, ...where]) => (of === name ? spoilt(given, ...where) : given),
          view,
        )
      return conformanceCase(name, { ...sizes, ...run.sizes, headDim }, options, {
        dtype: kind.dtype,
        prepare: ({ query, key, value }) => ({
          query: spoil('query', query),
          key: spoil('key', key),
          value: spoil('value', value),
        }),
        prepareGradient: (dOutput) => spoil('dOutput', dOutput),
      })
    }
    const both = <Tile>(tile: Tile) => ({ query: tile, key: tile })

    const own = runs.filter(
      ({ onlyFloat16, inCore }) =>
        (kind.dtype === 'float16' || !onlyFloat16) && (inCore || !onlyCore()),
    )
    test.for(own.map((run) => [run.name, run] as const))('%s', async ([, run], context) => {
      const tile = tileOf(context)
      const few = run.fewTokens ? kind.fewTokens?.(tile) : undefined
      const own = run.other ? kind.otherTile(tile) : (few ?? tile)
      const tiles = Object.fromEntries((run.kernels ?? ['query', 'key']).map((one) => [one, own]))
      const attend = gradientsWith(flash, tiles, run.plan)
      expect(
        await backwardProblems(caseOf(run, (run.width ?? 1) * headDimOf(kind, tile)), attend),
      ).toEqual([])
    })

    test('float16 holds dS, however large or small it is', async (context) => {
      const tile = tileOf(context)
      const each = caseOf(runs[0]!, headDimOf(kind, tile))
      for (const factor of kind.factors) {
        const inputs = () => {
          const given = each.inputs()
          const values = toFloat64Array(given.value).map((value) => factor * value)
          return { ...given, value: tensorFrom(values, given.value.shape, kind.dtype) }
        }
        const attend = gradientsWith(flash, both(tile))
        expect(await backwardProblems({ ...each, inputs }, attend)).toEqual([])
      }
    })

    test('several workgroups that share the rows of dQ', async (context) => {
      const tile = tileOf(context)
      const inParts = { ...ragged, sizes: { queryLength: 17, keyLength: 1100 } }
      const each = caseOf({ name: 'in parts', ...inParts }, headDimOf(kind, tile))
      expect(await backwardProblems(each, gradientsWith(flash, both(tile)))).toEqual([])
      const { shape, options } = each
      const explained = flash.plan({ ...shape, ...options, training: true }).explain()
      expect(explained.backward!.memoryBytes.copies).toBeGreaterThan(0)
    })

    test('the same bit for bit from run to run', async (context) => {
      const tile = tileOf(context)
      const each = caseOf(runs[0]!, headDimOf(kind, tile))
      const { query, key, value } = each.inputs()
      const run = async () =>
        gradientsWith(flash, both(tile))(query, key, value, query, each.options)
      const [first, second] = [await run(), await run()]
      for (const name of ['dQuery', 'dKey', 'dValue'] as const) {
        expect(second[name].storage).toEqual(first[name].storage)
      }
    })
  },
)
