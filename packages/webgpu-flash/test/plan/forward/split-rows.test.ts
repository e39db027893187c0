import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBlockMap, mask } from '@attn/core'
import type { BlockMap } from '@attn/core'
import { packBlockMap } from '../../../src/plan/pack-block-map.ts'
import { splitLongRows } from '../../../src/plan/forward/split-rows.ts'
import type { SplitRows } from '../../../src/plan/forward/split-rows.ts'

const sizes = { queryBlockSize: 16, keyBlockSize: 16 }

/** Tiles (and whether they are full) of a row, and of the parts it was cut into. */
function tilesOf(words: ArrayLike<number>, runsBase: number, from: number, to: number): string[] {
  const tiles: string[] = []
  for (let run = from; run < to; run++) {
    const start = words[runsBase + 2 * run]!
    const packed = words[runsBase + 2 * run + 1]!
    for (let tile = start; tile < start + (packed >>> 1); tile++)
      tiles.push(`${tile}:${packed & 1}`)
  }
  return tiles
}

function expectSameTiles(map: BlockMap, split: SplitRows): void {
  const packed = packBlockMap(map)
  const { words, orderBase, runsBase, firstPartsBase, parts, rows } = split
  for (let plane = 0; plane < map.batch * map.heads; plane++) {
    for (let rank = 0; rank < rows; rank++) {
      const row = packed.words[packed.orderBase + plane * map.queryBlocks + rank]!
      const place = plane * map.queryBlocks + row
      const whole = tilesOf(map.runs, 0, map.rowOffsets[place]!, map.rowOffsets[place + 1]!)
      const joined: string[] = []
      for (
        let part = words[firstPartsBase + rank]!;
        part < words[firstPartsBase + rank + 1]!;
        part++
      ) {
        expect(words[orderBase + plane * parts + part]).toBe(row)
        const number = plane * parts + part
        const tiles = tilesOf(words, runsBase, words[number]!, words[number + 1]!)
        expect(tiles.length).toBeLessThanOrEqual(split.longestPart)
        joined.push(...tiles)
      }
      expect(joined).toEqual(whole)
    }
  }
}

describe('splitLongRows', () => {
  it('cuts rows that are far longer than the others, and holds all of their tiles', () => {
    const place = fc.integer({ min: 0, max: 3999 })
    fc.assert(
      fc.property(place, place, fc.integer({ min: 1, max: 3 }), (first, second, heads) => {
        const pattern = mask('globals', ({ query, key, head }) =>
          query
            .sub(key)
            .abs()
            .le(20)
            .or(query.eq(first).and(key.mod(32).lt(20)))
            .or(query.eq(second).and(head.eq(0))),
        )
        const shape = { batch: 1, heads, queryLength: 4000, keyLength: 4000 }
        const map = createBlockMap(pattern, shape, sizes)
        const split = splitLongRows(map, packBlockMap(map), heads, sizes.keyBlockSize)!
        expect(split.rows).toBeGreaterThanOrEqual(1)
        expect(split.longestPart).toBeLessThanOrEqual(127)
        expectSameTiles(map, split)
      }),
      { numRuns: 30 },
    )
  })

  it.each([
    ['causal', mask('causal', ({ query, key }) => key.le(query))],
    ['window', mask('window', ({ query, key }) => query.sub(key).abs().le(100))],
    ['everything', mask('everything', ({ key }) => key.ge(0))],
  ])('leaves %s alone: its rows are as long as others, or hidden by their number', (_, pattern) => {
    const shape = { batch: 1, heads: 1, queryLength: 8192, keyLength: 8192 }
    const map = createBlockMap(pattern, shape, sizes)
    expect(splitLongRows(map, packBlockMap(map), 1, sizes.keyBlockSize)).toBeUndefined()
  })

  it('leaves long rows alone where the other work takes longer than they do', () => {
    const pattern = mask('global', ({ query, key }) => query.sub(key).abs().le(64).or(query.eq(0)))
    const shape = { batch: 1, heads: 1, queryLength: 8192, keyLength: 8192 }
    const map = createBlockMap(pattern, shape, sizes)
    expect(splitLongRows(map, packBlockMap(map), 1, sizes.keyBlockSize)).toBeDefined()
    expect(splitLongRows(map, packBlockMap(map), 256, sizes.keyBlockSize)).toBeUndefined()
  })
})
