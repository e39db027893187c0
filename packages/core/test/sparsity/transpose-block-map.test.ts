import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blockMapRow, createBlockMap, maskFromTensor, transposeBlockMap } from '@attn/core'
import type { BlockMap, TransposedBlockMap } from '@attn/core'
import { frames, patterns } from './patterns.ts'

/** Every tile as a line `plane query key full`, in a fixed order. */
function tilesByQuery(map: BlockMap): string[] {
  const tiles: string[] = []
  for (let batch = 0; batch < map.batch; batch++) {
    for (let head = 0; head < map.heads; head++) {
      for (let query = 0; query < map.queryBlocks; query++) {
        for (const { start, end, full } of blockMapRow(map, batch, head, query)) {
          for (let key = start; key < end; key++) {
            tiles.push(`${batch * map.heads + head} ${query} ${key} ${full}`)
          }
        }
      }
    }
  }
  return tiles.toSorted()
}

function tilesByKey(map: TransposedBlockMap): string[] {
  const tiles: string[] = []
  for (let row = 0; row + 1 < map.rowOffsets.length; row++) {
    for (let run = map.rowOffsets[row]!; run < map.rowOffsets[row + 1]!; run++) {
      const start = map.runs[2 * run]!
      const packed = map.runs[2 * run + 1]!
      for (let query = start; query < start + (packed >>> 1); query++) {
        const plane = Math.floor(row / map.keyBlocks)
        tiles.push(`${plane} ${query} ${row % map.keyBlocks} ${(packed & 1) === 1}`)
      }
    }
  }
  return tiles.toSorted()
}

describe('transposeBlockMap', () => {
  it.each(frames)('lists the same tiles by key: %s', (_, lengths, queryBlockSize, keyBlockSize) => {
    for (const pattern of Object.values(patterns)) {
      const shape = { batch: 3, heads: 2, ...lengths }
      const map = createBlockMap(pattern, shape, { queryBlockSize, keyBlockSize })
      expect(tilesByKey(transposeBlockMap(map))).toEqual(tilesByQuery(map))
    }
  })

  it('is its own inverse', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 30 }),
        fc.infiniteStream(fc.nat({ max: 3 })),
        (queryLength, keyLength, numbers) => {
          const size = 2 * queryLength * keyLength
          const values = Array.from({ length: size }, () => numbers.next().value! > 0)
          const pattern = maskFromTensor(values, [1, 2, queryLength, keyLength])
          const shape = { batch: 1, heads: 2, queryLength, keyLength }
          const map = createBlockMap(pattern, shape, { queryBlockSize: 2, keyBlockSize: 3 })
          expect(transposeBlockMap(transposeBlockMap(map))).toEqual(map)
        },
      ),
    )
  })

  it('merges neighbours into runs', () => {
    const shape = { batch: 1, heads: 1, queryLength: 256, keyLength: 256 }
    const sizes = { queryBlockSize: 16, keyBlockSize: 16 }
    const { runs } = transposeBlockMap(createBlockMap(patterns['causal'], shape, sizes))
    expect(runs.length / 2).toBe(16 + 15)
  })
})
