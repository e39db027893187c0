import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  blockMapRow,
  createBlockMap,
  flashAttention,
  flashAttentionBackward,
  floatTable,
  mask,
  booleanTable,
  planSparsity,
  resolveOptions,
  scoreModifier,
  softcap,
  standardAttention,
  zeros,
} from '../../src/index.ts'
import type {
  AttentionGradients,
  BlockMapShape,
  ResolvedAttention,
  Mask,
  ScoreModifier,
  TileEvent,
} from '../../src/index.ts'
import { largestError } from '../conformance/index.ts'
import { alibiInTurn, causal, prefixLm, slidingWindow, strided } from '../conformance/patterns.ts'
import {
  arbitraryPackedCall,
  packRows,
  packedOffsets,
  paddedCall,
  separateCalls,
} from './packed-calls.ts'
import type { PackedCall } from './packed-calls.ts'
import { standardGradients } from '../conformance/index.ts'

const shown = booleanTable('shown', [1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 1], [3, 4])
const added = floatTable('added', [0.1, 0.4, -0.3, 0.2, 0.6, -0.5], [2, 3])
const bias = floatTable('bias', new Float64Array([0.3, -0.2, 0.5, 0.1]), [4], { trainable: true })

/** Read positions as distances, as they are, through tables, by row; look at sizes and at the batch. */
const masks: readonly (Mask | undefined)[] = [
  undefined,
  causal,
  slidingWindow(2, 1),
  strided(3),
  prefixLm(2),
  mask('lastKeys', ({ query, key, keyLength }) => key.ge(keyLength.sub(2)).or(key.eq(query))),
  mask('rows', ({ queryIndex, queryLength, key }) => key.lt(queryLength.sub(queryIndex))),
  mask('rowDistance', ({ queryIndex, key }) => queryIndex.sub(key).abs().le(2)),
  mask('byTable', ({ queryIndex, key }) => shown.at(queryIndex.min(2), key.min(3))),
]
const batchMask = mask('byBatch', ({ batch, query, key }) => key.le(query.add(batch.mod(2))))
const modifiers: readonly (readonly ScoreModifier[])[] = [
  [],
  [softcap(2)],
  [alibiInTurn([0.5, 0.25, 0.125, 0.0625])],
  [
    scoreModifier('byDistance', (score, { query, key }) =>
      score.add(bias.at(query.sub(key).abs())),
    ),
    scoreModifier('byKey', (score, { key }) => score.mul(bias.at(key.min(3)))),
  ],
  [
    scoreModifier('byRow', (score, { queryIndex, key }) =>
      score.add(added.at(queryIndex.min(1), key.min(2))),
    ),
  ],
]
const byBatch = scoreModifier('byBatch', (score, { batch, key }) =>
  score.add(batch.toFloat().mul(0.1)).add(bias.at(key.add(batch))),
)

const tiling = fc.record({
  queryBlockSize: fc.integer({ min: 1, max: 9 }),
  keyBlockSize: fc.integer({ min: 1, max: 9 }),
  loopOrder: fc.constantFrom('queries-outside' as const, 'keys-outside' as const),
  planned: fc.boolean(),
})

function expectSame(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length)
  expect(largestError(actual, expected)).toBeLessThan(1e-11)
}

/** Forward and backward, both algorithms, against one reference. */
function expectAll(
  call: PackedCall,
  tiles: { queryBlockSize: number; keyBlockSize: number; loopOrder: never; planned: boolean },
  expected: {
    output: readonly number[]
    logSumExp: readonly number[]
    gradients: { query: readonly number[]; key: readonly number[]; value: readonly number[] }
    dTable: readonly number[] | undefined
    dSinks: readonly number[] | undefined
  },
): void {
  const { query, key, value, dOutput, options } = call
  const { queryBlockSize, keyBlockSize, loopOrder, planned } = tiles
  const sizes = { queryBlockSize, keyBlockSize }
  const blockMap = planned
    ? createBlockMap(
        options.mask,
        {
          batch: 1,
          heads: query.shape[1]!,
          queryLength: query.shape[2]!,
          keyLength: key.shape[2]!,
          sequences: options.sequences!,
          ...(options.queryOffset === undefined ? {} : { queryOffset: options.queryOffset }),
          ...(options.keyLengths === undefined ? {} : { keyLengths: options.keyLengths }),
        },
        sizes,
      )
    : undefined
  const tiled = { ...options, ...sizes, loopOrder, ...(blockMap && { blockMap }) }
  const standard = standardAttention(query, key, value, options)
  const flash = flashAttention(query, key, value, tiled)
  for (const { output, logSumExp } of [standard, flash]) {
    expectSame(output.storage, expected.output)
    expectSame(logSumExp.storage, expected.logSumExp)
  }
  const check = ({ dQuery, dKey, dValue, dTables, dSinks }: AttentionGradients): void => {
    expectSame(dQuery.storage, expected.gradients.query)
    expectSame(dKey.storage, expected.gradients.key)
    expectSame(dValue.storage, expected.gradients.value)
    if (expected.dTable) expectSame(dTables.get(bias.table)!, expected.dTable)
    if (expected.dSinks) expectSame(dSinks!, expected.dSinks)
  }
  check(standardGradients(query, key, value, dOutput, options))
  check(flashAttentionBackward(query, key, value, flash, dOutput, tiled))
}

function resolve(shape: BlockMapShape, modifier: ScoreModifier): ResolvedAttention {
  const { queryLength, keyLength, sequences } = shape
  const sizes = { batch: 1, heads: 1, kvHeads: 1, queryLength, keyLength, headDim: 1, valueDim: 1 }
  return resolveOptions('test', sizes, { scoreModifiers: [modifier], sequences: sequences! })
}

describe('packed sequences', () => {
  test('are calls of their own', () => {
    expect.hasAssertions()
    fc.assert(
      fc.property(
        arbitraryPackedCall(masks, modifiers, { dropout: false }),
        tiling,
        (call, tiles) => {
          expectAll(call, tiles as never, separateCalls(call, bias.table))
        },
      ),
      { numRuns: 250 },
    )
  })

  test('are a padded batch without the padding, in what dropout drops too', () => {
    expect.hasAssertions()
    const noLengths = masks.filter((each) => each?.name !== 'lastKeys' && each?.name !== 'rows')
    fc.assert(
      fc.property(
        arbitraryPackedCall([...noLengths, batchMask], [...modifiers, [byBatch]], {
          dropout: true,
        }),
        tiling,
        (call, tiles) => {
          expectAll(call, tiles as never, paddedCall(call, bias.table))
        },
      ),
      { numRuns: 250 },
    )
  })

  test('cost only the tiles of their own keys, with a block map and without', () => {
    const lengths = [100, 0, 28, 256, 128]
    const total = 512
    const x = zeros([1, 1, total, 1])
    const sequences = { cumulativeQueryLengths: packedOffsets(lengths) }
    const options = { mask: causal, sequences, queryBlockSize: 32, keyBlockSize: 32 }
    const keyTiles = (extra: object): number => {
      const events: TileEvent[] = []
      flashAttention(x, x, x, { ...options, ...extra, trace: (event) => events.push(event) })
      return events.filter(({ tensor }) => tensor === 'key').length
    }
    const shape = { batch: 1, heads: 1, queryLength: total, keyLength: total, sequences }
    const blockMap = createBlockMap(causal, shape, options)
    // Tokens 0-99 reach into the tile of 100-127; the sequences of 8 and of 4 tiles begin whole.
    expect(keyTiles({})).toBe(4 * 4 + 8 * 8 + 4 * 4)
    expect(keyTiles({ blockMap })).toBe(1 + 2 + 3 + 4 + (8 * 9) / 2 + (4 * 5) / 2)
    // Inside of a sequence nothing asks the mask.
    expect(blockMapRow(blockMap, 0, 0, 11)).toEqual([
      { start: 4, end: 11, full: true },
      { start: 11, end: 12, full: false },
    ])
  })

  test('a thousand of them in 131,072 tokens are planned by their own tiles', () => {
    const lengths = Array.from({ length: 1000 }, (_, index) => 1 + ((index * 7919) % 261))
    const queryLength = 131_072
    lengths[999]! += queryLength - lengths.reduce((sum, length) => sum + length, 0)
    const cumulativeQueryLengths = packedOffsets(lengths)
    const shape = { batch: 1, heads: 1, queryLength, keyLength: queryLength }
    const sizes = { queryBlockSize: 64, keyBlockSize: 64 }
    const map = createBlockMap(causal, { ...shape, sequences: { cumulativeQueryLengths } }, sizes)
    // A query sees keys from the beginning of its sequence to itself, so a row of tiles is one range.
    const firstKey = new Int32Array(queryLength)
    lengths.forEach((_, s) =>
      firstKey.fill(
        cumulativeQueryLengths[s]!,
        cumulativeQueryLengths[s],
        cumulativeQueryLengths[s + 1],
      ),
    )
    for (let row = 0; row < queryLength / 64; row++) {
      const runs = blockMapRow(map, 0, 0, row)
      const ends = runs.map(({ end }) => end)
      expect(runs.map(({ start }) => start)).toEqual([
        firstKey[row * 64]! >> 6,
        ...ends.slice(0, -1),
      ])
      expect(ends.at(-1)).toBe(row + 1)
      // Full where no sequence begins after the tile's first key: all but the diagonal, then.
      const full = runs
        .filter((run) => run.full)
        .reduce((sum, { start, end }) => sum + end - start, 0)
      const wholeFrom = Math.ceil(firstKey[row * 64 + 63]! / 64)
      expect(full).toBe(Math.max(row - wholeFrom, 0))
    }
  })

  test('leave what depends on distances as it was written', () => {
    const near = alibiInTurn([0.5])
    const sequences = { cumulativeQueryLengths: [0, 3, 8] }
    const shape = { batch: 1, heads: 1, queryLength: 8, keyLength: 8, sequences }
    const { scoreModifiers } = resolve(shape, near)
    expect(scoreModifiers[0]!.expression.node).toBe(near.expression.node)
    const other = scoreModifier('byKey', (score, { key }) => score.add(key.toFloat()))
    expect(resolve(shape, other).scoreModifiers[0]!.expression.node).not.toBe(other.expression.node)
  })

  test('stand in natural order: a mask that proposes orders is one pass', () => {
    const ordered = { ...strided(4), orders: [{ kind: 'residues', stride: 4 }] } as const
    const sequences = { cumulativeQueryLengths: [0, 30, 64] }
    const shape = { batch: 1, heads: 1, queryLength: 64, keyLength: 64, sequences }
    const plan = planSparsity(ordered, shape, { queryBlockSize: 4, keyBlockSize: 4 })
    expect(plan.candidates).toHaveLength(1)
  })

  test('refuse offsets that do not fit', () => {
    const x = zeros([1, 1, 8, 2])
    const attend = (sequences: unknown, options = {}): (() => unknown) => {
      return () => flashAttention(x, x, x, { ...options, sequences: sequences as never })
    }
    const lengths = (cumulativeQueryLengths: unknown): unknown => ({ cumulativeQueryLengths })
    expect(attend([0, 8])).toThrow(TypeError)
    expect(attend(null)).toThrow('flashAttention: sequences: options must be an object, got null')
    expect(attend(lengths([0, 5, 3, 8]))).toThrow('never decrease, got 3 after 5')
    expect(attend(lengths([0, 2.5, 8]))).toThrow('never decrease, got 2.5')
    expect(attend(lengths([1, 8]))).toThrow('must begin with 0')
    expect(attend(lengths([0]))).toThrow('at least one sequence')
    expect(attend(lengths([0, 7]))).toThrow('must end with the query length 8, got 7')
    expect(attend({ cumulativeQueryLengths: [0, 8], cumulativeKeyLengths: [0, 3, 8] })).toThrow(
      'as many sequences',
    )
    expect(attend({ cumulativeQueryLengths: [0, 8], cumulativeKeyLengths: [0, 9] })).toThrow(
      'must end with the key length 8, got 9',
    )
    expect(attend(lengths([0, 3, 8]), { keyLengths: [3, 6] })).toThrow('must lie in 0..5, got 6')
    expect(attend(lengths([0, 3, 8]), { queryOffset: [0] })).toThrow('each of 2 sequences, got 1')
    const two = zeros([2, 1, 8, 2])
    expect(() =>
      flashAttention(two, two, two, { sequences: { cumulativeQueryLengths: [0, 8] } }),
    ).toThrow('batch must be 1, got 2')
  })

  test('without keys give 0 and -Infinity', () => {
    const query = zeros([1, 1, 3, 1])
    const ones = packRows([[1], [1]])
    const sequences = { cumulativeQueryLengths: [0, 1, 3], cumulativeKeyLengths: [0, 2, 2] }
    const { output, logSumExp } = flashAttention(query, ones, ones, { sequences })
    expect(Array.from(output.storage)).toEqual([1, 0, 0])
    expect(Array.from(logSumExp.storage)).toEqual([Math.fround(Math.log(2)), -Infinity, -Infinity])
  })
})
