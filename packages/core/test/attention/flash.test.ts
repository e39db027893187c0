import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createBlockMap,
  flashAttention,
  standardAttention,
  toFloat64Array,
  zeros,
} from '../../src/index.ts'
import type { LoopOrder, Tensor, TileEvent } from '../../src/index.ts'
import { fill, largestError } from '../conformance/index.ts'
import { causal } from '../conformance/patterns.ts'
import { arbitraryCall, planShape } from './arbitrary-call.ts'
import { bruteForceBlockMap } from './brute-force-block-map.ts'

const loopOrders: readonly LoopOrder[] = ['queries-outside', 'keys-outside']
const arbitraryTiling = fc.record({
  loopOrder: fc.constantFrom(...loopOrders),
  queryBlockSize: fc.integer({ min: 1, max: 12 }),
  keyBlockSize: fc.integer({ min: 1, max: 12 }),
})

describe('flashAttention', () => {
  test('is standardAttention, however it is tiled', () => {
    fc.assert(
      fc.property(arbitraryCall(20), arbitraryTiling, ({ query, key, value, options }, tiling) => {
        const expected = standardAttention(query, key, value, options)
        const actual = flashAttention(query, key, value, { ...options, ...tiling })
        expect(largestError(actual.output.storage, expected.output.storage)).toBeLessThan(1e-12)
        expect(largestError(actual.logSumExp.storage, expected.logSumExp.storage)).toBeLessThan(
          1e-12,
        )
      }),
      { numRuns: 300 },
    )
  })

  test('a block map changes the tiles it visits and nothing else', () => {
    fc.assert(
      fc.property(arbitraryCall(20), arbitraryTiling, fc.boolean(), (call, tiling, planned) => {
        const { shape, query, key, value, options } = call
        const { queryBlockSize, keyBlockSize, loopOrder } = tiling
        const blockMap = planned
          ? createBlockMap(options.mask, planShape(call), tiling)
          : bruteForceBlockMap(shape, options, queryBlockSize, keyBlockSize)
        const visited = new Set<string>()
        const trace = ({ tensor, batch, head, block }: TileEvent): void => {
          if (tensor === 'key') visited.add(`${batch} ${head} ${block}`)
        }
        const expected = standardAttention(query, key, value, options)
        const actual = flashAttention(query, key, value, { ...options, loopOrder, blockMap, trace })
        expect(largestError(actual.output.storage, expected.output.storage)).toBeLessThan(1e-12)
        expect(largestError(actual.logSumExp.storage, expected.logSumExp.storage)).toBeLessThan(
          1e-12,
        )
        expect(visited).toEqual(visitedTiles(expected.scores, keyBlockSize))
      }),
      { numRuns: 200 },
    )
  })

  test('full tiles do not ask the mask', () => {
    // A map that calls everything full overrules the mask: the proof that it was not asked.
    const x = fill(3, [1, 1, 8, 4], 1, 'float64')
    const shape = { batch: 1, heads: 1, kvHeads: 1, queryLength: 8, keyLength: 8, headDim: 4 }
    const everything = bruteForceBlockMap({ ...shape, valueDim: 4 }, {}, 4, 4)
    const result = flashAttention(x, x, x, { mask: causal, blockMap: everything })
    const unmasked = standardAttention(x, x, x)
    expect(largestError(result.output.storage, unmasked.output.storage)).toBeLessThan(1e-14)
  })

  test('full tiles end where the keys of the sequence end', () => {
    const x = fill(3, [1, 1, 8, 4], 1, 'float64')
    const shape = { batch: 1, heads: 1, kvHeads: 1, queryLength: 8, keyLength: 8, headDim: 4 }
    const everything = bruteForceBlockMap({ ...shape, valueDim: 4 }, {}, 4, 4)
    const result = flashAttention(x, x, x, { keyLengths: [6], blockMap: everything })
    const expected = standardAttention(x, x, x, { keyLengths: [6] })
    expect(largestError(result.output.storage, expected.output.storage)).toBeLessThan(1e-14)
  })

  test('keys beyond keyLengths are never loaded', () => {
    const x = zeros([2, 1, 40, 4])
    for (const loopOrder of loopOrders) {
      let elements = 0
      const trace = (event: TileEvent): void => {
        if (event.tensor === 'key') elements += event.elements
      }
      flashAttention(x, x, x, {
        keyLengths: [7, 0],
        loopOrder,
        queryBlockSize: 64,
        keyBlockSize: 4,
        trace,
      })
      expect(elements).toBe(7 * 4)
    }
  })

  test('hidden NaN in padding stays hidden', () => {
    const x = fill(1, [1, 1, 6, 2])
    const spoilt = fill(1, [1, 1, 6, 2])
    spoilt.storage.fill(Number.NaN, 8)
    const options = { keyLengths: [4] }
    for (const loopOrder of loopOrders) {
      const { output } = flashAttention(x, spoilt, spoilt, { ...options, loopOrder })
      expect([...toFloat64Array(output)].every(Number.isFinite)).toBe(true)
    }
  })

  test('refuses block maps of other sizes, naming both', () => {
    const x = zeros([1, 2, 8, 4])
    const shape = { batch: 1, heads: 2, kvHeads: 2, queryLength: 8, keyLength: 8, headDim: 4 }
    const blockMap = bruteForceBlockMap({ ...shape, valueDim: 4 }, {}, 4, 4)
    const call = (changes: object) => () => flashAttention(x, x, x, { blockMap, ...changes })
    expect(call({})).not.toThrow()
    expect(call({ keyBlockSize: 8 })).toThrow(
      new RangeError(
        'flashAttention: the block map was made for keyBlockSize=4, but the call has keyBlockSize=8',
      ),
    )
    for (const wrong of [{ queryLength: 9 }, { keyLength: 7 }, { heads: 3 }, { batch: 2 }]) {
      expect(call({ blockMap: { ...blockMap, ...wrong } })).toThrow(RangeError)
    }
    expect(call({ blockMap: {} })).toThrow(TypeError)
  })

  test.each([
    [{ queryBlockSize: 0 }, 'queryBlockSize must be a positive integer, got 0'],
    [{ keyBlockSize: 1.5 }, 'keyBlockSize must be a positive integer, got 1.5'],
    [{ loopOrder: 'sideways' as LoopOrder }, 'loopOrder must be'],
  ])('refuses %o', (options, message) => {
    const x = zeros([1, 1, 2, 2])
    expect(() => flashAttention(x, x, x, options)).toThrow(`flashAttention: ${message}`)
    expect(() => flashAttention(x, x, x, options)).toThrow(RangeError)
  })
})

/** Key tiles of each head in which some query sees something. */
function visitedTiles(scores: Tensor, keyBlockSize: number): Set<string> {
  const [, heads, queryLength, keyLength] = scores.shape as [number, number, number, number]
  const tiles = new Set<string>()
  scores.storage.forEach((score, index) => {
    if (score === -Infinity) return
    const row = Math.floor(index / keyLength)
    const head = Math.floor(row / queryLength)
    const block = Math.floor((index % keyLength) / keyBlockSize)
    tiles.add(`${Math.floor(head / heads)} ${head % heads} ${block}`)
  })
  return tiles
}
