import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blockMapRow, createBlockMap, mask } from '@attn/core'
import type { BlockMap, TileRun } from '@attn/core'
import { packBlockMap } from '../../src/plan/pack-block-map.ts'
import type { PackedBlockMap } from '../../src/plan/pack-block-map.ts'

const byHead = mask('byHead', ({ batch, head, query, key }) =>
  key.le(query).and(query.sub(key).mod(head.add(2).mul(5)).lt(batch.add(3))),
)

const arbitraryMaps: fc.Arbitrary<BlockMap> = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    heads: fc.integer({ min: 1, max: 3 }),
    queryLength: fc.integer({ min: 1, max: 60 }),
    keyLength: fc.integer({ min: 1, max: 60 }),
    queryBlockSize: fc.integer({ min: 1, max: 16 }),
    keyBlockSize: fc.integer({ min: 1, max: 16 }),
  })
  .map(({ queryBlockSize, keyBlockSize, ...shape }) =>
    createBlockMap(byHead, shape, { queryBlockSize, keyBlockSize }),
  )

/** A row as the kernel reads it: by the words alone. */
function unpackedRow({ words, runsBase }: PackedBlockMap, row: number): TileRun[] {
  const result: TileRun[] = []
  for (let run = words[row]!; run < words[row + 1]!; run++) {
    const start = words[runsBase + 2 * run]!
    const packed = words[runsBase + 2 * run + 1]!
    result.push({ start, end: start + (packed >>> 1), full: (packed & 1) === 1 })
  }
  return result
}

const tilesOf = (runs: readonly TileRun[]): number =>
  runs.reduce((sum, { start, end }) => sum + end - start, 0)

describe.each(['longest first', 'ascending'] as const)('packBlockMap, %s', (order) => {
  it('holds the runs of every row where the kernel looks for them', () => {
    fc.assert(
      fc.property(arbitraryMaps, (map) => {
        const packed = packBlockMap(map, order)
        let [visited, full] = [0, 0]
        for (let batch = 0; batch < map.batch; batch++) {
          for (let head = 0; head < map.heads; head++) {
            for (let queryBlock = 0; queryBlock < map.queryBlocks; queryBlock++) {
              const row = (batch * map.heads + head) * map.queryBlocks + queryBlock
              const runs = unpackedRow(packed, row)
              expect(runs).toEqual(blockMapRow(map, batch, head, queryBlock))
              expect(packed.rowTiles[row]).toBe(tilesOf(runs))
              visited += tilesOf(runs)
              full += tilesOf(runs.filter((run) => run.full))
            }
          }
        }
        expect([packed.visited, packed.full]).toEqual([visited, full])
      }),
    )
  })

  it('takes every row of every map once, in the order asked for', () => {
    fc.assert(
      fc.property(arbitraryMaps, (map) => {
        const { words, orderBase, rowTiles } = packBlockMap(map, order)
        for (let first = 0; first < rowTiles.length; first += map.queryBlocks) {
          const taken = words.subarray(orderBase + first, orderBase + first + map.queryBlocks)
          const all = Array.from({ length: map.queryBlocks }, (_, row) => row)
          expect([...taken].toSorted((a, b) => a - b)).toEqual(all)
          const keys = [...taken].map((row) =>
            order === 'ascending' ? row : -rowTiles[first + row]!,
          )
          expect(keys).toEqual(keys.toSorted((a, b) => a - b))
        }
      }),
    )
  })
})
