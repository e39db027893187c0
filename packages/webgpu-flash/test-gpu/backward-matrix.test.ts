// The backward kernels on subgroup matrices: everything a pair can meet, on tiles so small that a CPU
// compiles their text, by the rule of twice the error of a plain float16 implementation. Adapters with
// matrices that the planner takes run all conformance cases on them besides.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { floatTable, mask, scoreModifier, softcap, toFloat64Array } from '@attn/core'
import type { AttentionOptions, Tensor } from '@attn/core'
import { backwardProblems, conformanceCase } from '../../core/test/conformance/index.ts'
import type { AttendBackward, ConformanceCase } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention, GradientMatrixTile, PlanOptions } from '../src/index.ts'

const gpu = await acquireGpu()

/** A tile of the smallest matrices that an adapter has for float16. */
function smallTile({
  subgroupMatrices,
  subgroups,
}: FlashAttention['capabilities']): GradientMatrixTile | undefined {
  const [matrix] = subgroupMatrices
    .filter(({ operands, sums }) => operands === 'f16' && sums === 'f32')
    .toSorted((a, b) => a.rows * a.columns * a.depth - b.rows * b.columns * b.depth)
  if (!matrix || !subgroups || subgroups.minimum !== subgroups.maximum) return undefined
  const { rows, columns, depth } = matrix
  const subgroupSize = subgroups.maximum
  const lanesPerRow = Math.max(1, subgroupSize / rows)
  return {
    matrix: { rows, columns, depth },
    subgroupSize,
    subgroups: 2,
    rowBlocks: 1,
    rows: 2 * rows,
    columns: Math.max(columns, depth, 4 * lanesPerRow),
    lanesPerRow,
    rowsPerLane: (rows * lanesPerRow) / subgroupSize,
    unrolled: false,
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

/** A case of heads as wide as one matrix. */
type CaseOf = (headDim: number) => ConformanceCase
const caseOf =
  (
    name: string,
    change: Partial<typeof sizes & { batch: number }>,
    options: AttentionOptions,
  ): CaseOf =>
  (headDim) =>
    conformanceCase(name, { ...sizes, ...change, headDim }, options, { dtype: 'float16' })

const ragged = caseOf('ragged ends, grouped heads, causal', {}, { mask: causal })
const cases: readonly (readonly [string, CaseOf])[] = [
  ['ragged ends, grouped heads, causal', ragged],
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
  ],
  [
    'packed sequences with dropout',
    caseOf(
      'packed sequences with dropout',
      { keyLength: 29 },
      {
        sequences: { cumulativeQueryLengths: [0, 11, 11, 29] },
        mask: causal,
        dropout,
      },
    ),
  ],
]

/** The tensor `[1, heads, length, dim]` with NaN in one row of every head. */
const withNaN = (view: Tensor, row: number): Tensor => {
  const [, heads, length, dims] = view.shape as [number, number, number, number]
  const storage = Uint16Array.from(view.storage as Uint16Array)
  for (let head = 0; head < heads; head++) {
    const first = (head * length + row) * dims
    storage.fill(0x7e00, first, first + dims)
  }
  return { ...view, storage }
}

/** The tensor times a power of two. */
const scaled = (view: Tensor, factor: number): Tensor => {
  const storage = Uint16Array.from(view.storage as Uint16Array, (bits) =>
    (bits & 0x7c00) === 0 ? bits : bits + (Math.log2(factor) << 10),
  )
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
describe.skipIf(!gpu)('backward kernels on subgroup matrices', { timeout: 180_000 }, () => {
  let flash: FlashAttention
  let tile: GradientMatrixTile | undefined
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu!, training: true })
    tile = smallTile(flash.capabilities)
  })
  afterAll(() => flash.destroy())

  /** Skips where there are no matrices; else heads as wide as a matrix. */
  const headDimOf = (context: { skip(note: string): never }): number => {
    if (!tile) context.skip('this adapter has no subgroup matrices of float16')
    return Math.max(tile.matrix.columns, tile.matrix.depth)
  }

  /** Gradients by a plan with the small tile for some of the kernels. */
  const attend =
    (
      kernels: readonly ('query' | 'key')[] = ['query', 'key'],
      change: Partial<PlanOptions> = {},
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
        dtype: 'float16',
        ...options,
        ...change,
        training: true,
        backwardTiles: Object.fromEntries(kernels.map((kernel) => [kernel, tile!])),
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

  test.for(cases)('%s', async ([, each], context) => {
    expect(await backwardProblems(each(headDimOf(context)), attend())).toEqual([])
  })

  test('float16 holds dS, however large or small it is', async (context) => {
    const each = ragged(headDimOf(context))
    expect(await backwardProblems(withValues(each, 2 ** 9), attend())).toEqual([])
    expect(await backwardProblems(withValues(each, 2 ** -7), attend())).toEqual([])
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
    expect(await backwardProblems(each, attend(['query', 'key'], { workBudget: 20_000 }))).toEqual(
      [],
    )
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
})
