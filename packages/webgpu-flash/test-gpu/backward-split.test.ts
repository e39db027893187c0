// The backward kernels of float32 on subgroup matrices: everything a pair can meet, on tiles so small that a
// CPU compiles their text, by the rule of twice the error of a plain float32 implementation. Adapters with
// matrices that the planner takes run all conformance cases on them besides.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { floatTable, mask, scoreModifier, softcap, toFloat64Array } from '@attn/core'
import type { AttentionOptions, Tensor } from '@attn/core'
import { backwardProblems, conformanceCase } from '../../core/test/conformance/index.ts'
import type { AttendBackward, ConformanceCase } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention, SplitMatrixTile, PlanOptions } from '../src/index.ts'

const gpu = await acquireGpu()

/** A tile of the smallest matrices that an adapter has for float16. */
function smallTile({
  subgroupMatrices,
  subgroups,
}: FlashAttention['capabilities']): SplitMatrixTile | undefined {
  const [matrix] = subgroupMatrices
    .filter(({ operands, sums }) => operands === 'f16' && sums === 'f32')
    .toSorted((a, b) => a.rows * a.columns * a.depth - b.rows * b.columns * b.depth)
  if (!matrix || !subgroups || subgroups.minimum !== subgroups.maximum) return undefined
  const { rows, columns, depth } = matrix
  const subgroupSize = subgroups.maximum
  return {
    matrix: { rows, columns, depth },
    subgroupSize,
    pairs: 2,
    rowBlocks: 1,
    rows: 2 * rows,
    columns: Math.max(columns, depth, 4 * Math.max(1, (2 * subgroupSize) / rows)),
    places: 2,
    smallFirst: true,
    wideLoads: false,
    tilesInMatrices: 2,
    scorePadding: 2,
  }
}

const causal = mask('causal', ({ query, key }) => key.le(query))
const slopes = floatTable('slopes', [0.5, 0.25], [2])
const distance = scoreModifier('distance', (score, { head, query, key }) =>
  score.sub(slopes.at(head).mul(query.sub(key).abs().toFloat())),
)
const trained = floatTable('trained', [0.5, -0.25], [2], { trainable: true })
const byParity = scoreModifier('byParity', (score, { key }) => score.add(trained.at(key.mod(2))))
const dropout = { rate: 0.3, seed: 5 }
const sizes = { heads: 2, kvHeads: 1, queryLength: 29, keyLength: 43 }

/** A case of heads as wide as two matrices. */
type CaseOf = (headDim: number) => ConformanceCase
const caseOf =
  (
    name: string,
    change: Partial<typeof sizes & { batch: number }>,
    options: AttentionOptions,
  ): CaseOf =>
  (headDim) =>
    conformanceCase(name, { ...sizes, ...change, headDim }, options, { dtype: 'float32' })

const ragged = caseOf('ragged ends, grouped heads, causal', {}, { mask: causal })
/** Of the tile, for what tiles may differ in. */
const otherTile: Partial<SplitMatrixTile> = { places: 1, smallFirst: false, wideLoads: true }
const cases: readonly (readonly [string, CaseOf, Partial<SplitMatrixTile>])[] = [
  ['ragged ends, grouped heads, causal', ragged, {}],
  [
    'modifiers, dropout, sinks and padding',
    caseOf(
      'modifiers, dropout, sinks and padding',
      { batch: 3 },
      {
        scoreModifiers: [distance, softcap(2)],
        dropout,
        sinks: [0.5, -1],
        keyLengths: [43, 0, 21],
      },
    ),
    otherTile,
  ],
]

/** The tensor `[1, heads, length, dim]` with NaN in one row of every head. */
const withNaN = (view: Tensor, row: number): Tensor => {
  const [, heads, length, dims] = view.shape as [number, number, number, number]
  const storage = Float32Array.from(view.storage as Float32Array)
  for (let head = 0; head < heads; head++) {
    const first = (head * length + row) * dims
    storage.fill(NaN, first, first + dims)
  }
  return { ...view, storage }
}

/** The tensor with a row of its first head that is 2^30 times as large. */
const firstHuge = (view: Tensor): Tensor => {
  const storage = Float32Array.from(view.storage as Float32Array, (number, at) =>
    at < view.shape[3]! ? 2 ** 30 * number : number,
  )
  return { ...view, storage }
}

/** The tensor times a power of two. */
const scaled = (view: Tensor, factor: number): Tensor => {
  const storage = Float32Array.from(view.storage as Float32Array, (number) => factor * number)
  return { ...view, storage }
}

const withValues = (each: ConformanceCase, factor: number): ConformanceCase => ({
  ...each,
  inputs: () => {
    const inputs = each.inputs()
    return { ...inputs, value: scaled(inputs.value, factor) }
  },
})

// A CPU takes seconds to compile matrices, and minutes where other work keeps it busy.
describe.skipIf(!gpu)(
  'backward kernels of float32 on subgroup matrices',
  { timeout: 180_000 },
  () => {
    let flash: FlashAttention
    let tile: SplitMatrixTile | undefined
    beforeAll(async () => {
      flash = await createFlashAttention({ gpu: gpu!, training: true })
      tile = smallTile(flash.capabilities)
    })
    afterAll(() => flash.destroy())

    /** Skips where there are no matrices; else heads as wide as a matrix. */
    const headDimOf = (context: { skip(note: string): never }): number => {
      if (!tile) context.skip('this adapter has no subgroup matrices of float16')
      return 2 * Math.max(tile.matrix.columns, tile.matrix.depth)
    }

    /** Gradients by a plan with the small tile for some of the kernels. */
    const attend =
      (
        kernels: readonly ('query' | 'key')[] = ['query', 'key'],
        change: Partial<PlanOptions> = {},
        ofTile: Partial<SplitMatrixTile> = {},
      ): AttendBackward =>
      async (query, key, value, dOutput, options) => {
        const [batch, heads, queryLength, headDim] = query.shape as [number, number, number, number]
        const [, kvHeads, keyLength] = key.shape as [number, number, number]
        const plan = flash.plan({
          batch,
          heads,
          kvHeads,
          queryLength,
          keyLength,
          headDim,
          dtype: 'float32',
          ...options,
          ...change,
          training: true,
          backwardTiles: Object.fromEntries(
            kernels.map((kernel) => [kernel, { ...tile!, ...ofTile }]),
          ),
        })
        const explained = plan.explain().backward!
        for (const kernel of kernels) expect(explained[kernel].variant).toBe('subgroup-matrix')
        const inputs = {
          query: flash.upload(query),
          key: flash.upload(key),
          value: flash.upload(value),
        }
        const forward = plan.forward(inputs)
        const gradients = plan.backward({ ...inputs, ...forward, dOutput: flash.upload(dOutput) })
        const { dQuery, dKey, dValue, dTables, dSinks } = gradients
        const numbers = async (view: Parameters<FlashAttention['download']>[0]) =>
          toFloat64Array(await flash.download(view))
        return {
          dQuery: await flash.download(dQuery),
          dKey: await flash.download(dKey),
          dValue: await flash.download(dValue),
          dTables: new Map(
            await Promise.all(
              [...dTables].map(async ([table, view]) => [table, await numbers(view)] as const),
            ),
          ),
          dSinks: dSinks && (await numbers(dSinks)),
        }
      }

    test.for(cases)('%s', async ([, each, ofTile], context) => {
      const run = attend(['query', 'key'], {}, ofTile)
      expect(await backwardProblems(each(headDimOf(context)), run)).toEqual([])
    })

    test('rows that nobody sees may be so large that others lose their bits beside them', async (context) => {
      // Most queries see nothing: there are fewer keys.
      const each = caseOf(
        'dead rows',
        { queryLength: 43, keyLength: 16 },
        { mask: causal },
      )(headDimOf(context))
      const inputs = () => {
        const given = each.inputs()
        const storage = Float32Array.from(given.query.storage as Float32Array)
        storage.fill(1e20, 0, each.shape.headDim)
        return { ...given, query: { ...given.query, storage } }
      }
      expect(await backwardProblems({ ...each, inputs }, attend())).toEqual([])
    })

    test('heads are split where they can be, and one by one', async (context) => {
      const each = ragged(headDimOf(context))
      const shape = { ...sizes, kvHeads: 2 }
      const { query, key, value } = conformanceCase(
        'two heads',
        { ...shape, headDim: each.shape.headDim },
        each.options,
      ).inputs()
      const [plain, split, one] = [
        await attend([])(query, key, value, query, each.options),
        await attend()(query, key, value, query, each.options),
        // Of its first head the values differ too much.
        await attend()(query, key, firstHuge(value), query, each.options),
      ]
      const ofHead = (view: Tensor, head: number): ArrayLike<number> => {
        const length = view.shape[2]! * view.shape[3]!
        return (view.storage as Float32Array).subarray(head * length, (head + 1) * length)
      }
      expect(ofHead(split.dQuery, 1)).not.toEqual(ofHead(plain.dQuery, 1))
      expect(ofHead(one.dQuery, 1)).toEqual(ofHead(split.dQuery, 1))
      const ofPlain = await attend([])(query, key, firstHuge(value), query, each.options)
      expect(ofHead(one.dQuery, 0)).toEqual(ofHead(ofPlain.dQuery, 0))
      expect(ofHead(one.dKey, 0)).toEqual(ofHead(ofPlain.dKey, 0))
    })

    test('float16 holds what is scaled, however large or small it is', async (context) => {
      const each = ragged(headDimOf(context))
      expect(await backwardProblems(withValues(each, 2 ** 30), attend())).toEqual([])
      expect(await backwardProblems(withValues(each, 2 ** -30), attend())).toEqual([])
    })

    test('several workgroups that share the rows of dQ', async (context) => {
      const each = caseOf(
        'in parts',
        { queryLength: 17, keyLength: 1100 },
        { mask: causal },
      )(headDimOf(context))
      expect(await backwardProblems(each, attend())).toEqual([])
      const { shape, options } = each
      const explained = flash.plan({ ...shape, ...options, training: true }).explain()
      expect(explained.backward!.memoryBytes.copies).toBeGreaterThan(0)
    })

    test('dispatches that add to what earlier ones wrote', async (context) => {
      const each = ragged(headDimOf(context))
      expect(
        await backwardProblems(each, attend(['query', 'key'], { workBudget: 20_000 })),
      ).toEqual([])
    })

    test('trained tables: dK and dV on matrices, dQ in plain WGSL', async (context) => {
      const each = caseOf('tables', {}, { scoreModifiers: [byParity] })(headDimOf(context))
      expect(await backwardProblems(each, attend(['key']))).toEqual([])
    })

    test('rows that are not finite reach only those that see them', async (context) => {
      const each = ragged(headDimOf(context))
      const { shape, options } = each
      const { query, key, value } = each.inputs()
      const { queryLength, keyLength } = shape
      const dOutput = withNaN(query, 0)
      const clean = await attend()(query, key, value, query, options)
      /** Whether rows of a gradient are those of clean inputs, from one row to another of every head. */
      const expectRows = (actual: Tensor, expected: Tensor, from: number, to: number): void => {
        const [, heads, length, dims] = actual.shape as [number, number, number, number]
        const [one, other] = [toFloat64Array(actual), toFloat64Array(expected)]
        for (let head = 0; head < heads; head++) {
          for (let at = (head * length + from) * dims; at < (head * length + to) * dims; at++) {
            expect(Math.abs(one[at]! - other[at]!)).toBeLessThan(0.01)
          }
          for (let row = 0; row < length; row++) {
            const seesIt = row < from || row >= to
            expect([head, row, Number.isNaN(one[(head * length + row) * dims])]).toEqual([
              head,
              row,
              seesIt,
            ])
          }
        }
      }
      // The first query sees the keys before `seen`, the last key is seen by the last query only.
      const seen = keyLength - queryLength + 1
      const ofQuery = await attend()(withNaN(query, 0), key, value, query, options)
      expectRows(ofQuery.dKey, clean.dKey, seen, keyLength)
      expectRows(ofQuery.dQuery, clean.dQuery, 1, queryLength)
      const ofOutput = await attend()(query, key, value, dOutput, options)
      expectRows(ofOutput.dValue, clean.dValue, seen, keyLength)
      const ofKey = await attend()(query, withNaN(key, keyLength - 1), value, query, options)
      expectRows(ofKey.dQuery, clean.dQuery, 0, queryLength - 1)
    })

    test('the same bit for bit from run to run', async (context) => {
      const each = ragged(headDimOf(context))
      const { shape, options } = each
      const { query, key, value } = each.inputs()
      expect(query.shape[3]).toBe(shape.valueDim)
      const run = () => attend()(query, key, value, query, options)
      const [first, second] = [await run(), await run()]
      for (const name of ['dQuery', 'dKey', 'dValue'] as const) {
        expect(second[name].storage).toEqual(first[name].storage)
      }
    })
  },
)
