// Masks whose parts are found each in a way of its own: relations from their lists, global keys from one
// row, global queries from one column, unions and conjunctions from their parts.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blockMapRow,
  blockMapStatistics,
  booleanTable,
  createBlockMap,
  integerParameter,
  integerTable,
  mask,
  relation,
} from '@attn/core'
import type { BooleanExpression, Coordinates, Mask } from '@attn/core'
import { evaluatedPicture, plannedPicture } from './picture.ts'

const lists = relation('lists', [[0, 3, 4, 5, 6, 7, 9], [], [1, 2, 8, 30], [-2, 5], [11], [4, 7]])
const documents = integerTable('documents', [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3])
const table = booleanTable('table', [1, 0, 1, 1, 0, 1, 0, 0, 1], [3, 3])
const unknown = integerParameter('unknown', { minimum: 3, maximum: 9 })

type Part = (coordinates: Coordinates) => BooleanExpression

/** Parts by what they depend on. */
const parts: Readonly<Record<string, Part>> = {
  globalKeys: ({ key }) => key.eq(3).or(key.mod(11).ge(8)),
  someKeys: ({ key }) => lists.contains(2, key),
  firstKeys: ({ key }) => key.lt(13),
  globalQueries: ({ query }) => query.mod(9).eq(4).or(query.ge(21)),
  someRows: ({ queryIndex }) => lists.contains(0, queryIndex),
  head: ({ head }) => head.eq(0),
  sequence: ({ batch }) => batch.eq(1),
  parameter: ({ key }) => key.lt(unknown),
  ownKeys: ({ query, key }) => lists.contains(query, key),
  blocks: ({ query, key }) => lists.contains(query.floorDiv(4), key.floorDiv(3)),
  movedBlocks: ({ query, key }) => lists.contains(query.sub(5).floorDiv(3), key.sub(4).floorDiv(2)),
  blocksOfHeads: ({ head, query, key }) =>
    lists.contains(head.mod(2).mul(3).add(query.floorDiv(8).min(2)), key.floorDiv(8)),
  turningRows: ({ query, key }) => lists.contains(query.mod(6), key.add(1)),
  fallingMembers: ({ query, key }) => lists.contains(query, key.neg().add(12)),
  farMembers: ({ query, key }) => lists.contains(query, key.mul(1000)),
  repeatedMembers: ({ query, key }) => lists.contains(query, key.mod(10)),
  crossed: ({ query, key }) => lists.contains(key.floorDiv(5), query),
  causal: ({ query, key }) => key.le(query),
  window: ({ query, key }) => query.sub(key).abs().le(5),
  documents: ({ query, key }) => documents.at(query).eq(documents.at(key)),
  table: ({ query, key }) => table.at(query, key),
}

const tree: fc.Memo<Part> = fc.memo((depth) => {
  const leaf = fc.constantFrom(...Object.values(parts))
  if (depth <= 1) return leaf
  const pair = (join: 'and' | 'or'): fc.Arbitrary<Part> =>
    fc.tuple(tree(depth - 1), tree(depth - 1)).map(
      ([left, right]) =>
        (at) =>
          left(at)[join](right(at)),
    )
  return fc.oneof({ weight: 1, arbitrary: leaf }, pair('or'), pair('and'))
})

const shapes = fc.record({
  queryLength: fc.integer({ min: 1, max: 50 }),
  keyLength: fc.integer({ min: 1, max: 50 }),
  queryOffset: fc.integer({ min: -4, max: 12 }),
})
const sizes = fc.record({
  queryBlockSize: fc.integer({ min: 1, max: 9 }),
  keyBlockSize: fc.integer({ min: 1, max: 9 }),
})

describe('createBlockMap of masks with parts', () => {
  it.each(Object.keys(parts).filter((name) => name !== 'parameter'))(
    'agrees with every pair: %s',
    (name) => {
      const pattern = mask(name, parts[name]!)
      fc.assert(
        fc.property(shapes, sizes, (lengths, sizes) => {
          const shape = { batch: 2, heads: 3, ...lengths }
          expect(plannedPicture(pattern, shape, sizes)).toBe(
            evaluatedPicture(pattern, shape, sizes),
          )
        }),
        { numRuns: 30 },
      )
    },
  )

  it('agrees with every pair of unions and conjunctions', () => {
    fc.assert(
      fc.property(tree(4), shapes, sizes, (part, lengths, sizes) => {
        const pattern = mask('parts', part)
        const shape = { batch: 2, heads: 3, ...lengths, parameters: { unknown: 7 } }
        expect(plannedPicture(pattern, shape, sizes)).toBe(evaluatedPicture(pattern, shape, sizes))
      }),
      { numRuns: 1000 },
    )
  })

  it('agrees with every pair where sequences differ in length', () => {
    const lengths = fc.record({
      keyLengths: fc.array(fc.nat({ max: 40 }), { minLength: 3, maxLength: 3 }),
      queryOffset: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 3, maxLength: 3 }),
    })
    fc.assert(
      fc.property(tree(3), lengths, sizes, (part, lengths, sizes) => {
        const pattern = mask('parts', part)
        const shape = { batch: 3, heads: 2, queryLength: 30, keyLength: 40, ...lengths }
        const known = { ...shape, parameters: { unknown: 4 } }
        expect(plannedPicture(pattern, known, sizes)).toBe(evaluatedPicture(pattern, known, sizes))
      }),
      { numRuns: 300 },
    )
  })

  it('holds for every value of a parameter that is not given', () => {
    fc.assert(
      fc.property(tree(3), shapes, sizes, (part, lengths, sizes) => {
        const shape = { batch: 2, heads: 2, ...lengths }
        const pattern = mask('parts', part)
        const open = plannedPicture(pattern, shape, sizes)
        for (const unknown of [3, 6, 9]) {
          const one = evaluatedPicture(pattern, { ...shape, parameters: { unknown } }, sizes)
          // What is planned full or empty is so for the value; partial tiles may be anything.
          const known = one.replaceAll(/./g, (tile, place: number) =>
            open[place] === '+' ? '+' : tile,
          )
          expect(known).toBe(open)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('createBlockMap of a million tokens', () => {
  const length = 2 ** 20
  const shape = { batch: 1, heads: 4, queryLength: length, keyLength: length }
  const tiles = { queryBlockSize: 64, keyBlockSize: 64 }

  it('lists scattered keys and queries', () => {
    const positions = Int32Array.from({ length: 500 }, (_, place) => place * 2048 + 7)
    const members = relation('scattered', [positions])
    const pattern = mask('scattered', ({ query, key }) =>
      members.contains(0, key).or(members.contains(0, query)),
    )
    const { visited, partial } = blockMapStatistics(createBlockMap(pattern, shape, tiles))
    expect(partial).toBe(visited)
    expect(visited).toBe(2 * 500 * 16384 - 500 * 500)
  })

  it('lists tens of millions of runs', () => {
    // Windows of 4 tiles, of which the last is seen from everywhere; two heads in turn differ.
    const pattern: Mask = mask('windows', ({ head, query, key }) => {
      const [row, column] = [query.floorDiv(64), key.floorDiv(64)]
      const last = column.mod(8).eq(head.mod(2).add(6))
      return row.floorDiv(8).eq(column.floorDiv(8)).or(last)
    })
    const map = createBlockMap(pattern, shape, tiles)
    expect(map.runs).toBeInstanceOf(Uint16Array)
    const { full, partial } = blockMapStatistics(map)
    expect(partial).toBe(0)
    expect(full).toBe(4 * 16384 * (2048 + 7))
    expect(blockMapRow(map, 0, 3, 9).slice(0, 3)).toEqual([
      { start: 7, end: 16, full: true },
      { start: 23, end: 24, full: true },
      { start: 31, end: 32, full: true },
    ])
    expect(blockMapRow(map, 0, 2, 16383).at(-1)).toEqual({ start: 16376, end: 16384, full: true })
  })

  it('has words for rows of more than 32767 tiles', () => {
    const pattern = mask('parity', ({ query, key }) => key.gt(query.add(3)))
    const long = { batch: 1, heads: 1, queryLength: 4, keyLength: 70_000, queryOffset: 0 }
    const map = createBlockMap(pattern, long, { queryBlockSize: 2, keyBlockSize: 2 })
    expect(map.runs).toBeInstanceOf(Uint32Array)
    expect(blockMapRow(map, 0, 0, 1)).toEqual([
      { start: 3, end: 4, full: false },
      { start: 4, end: 35_000, full: true },
    ])
  })
})
