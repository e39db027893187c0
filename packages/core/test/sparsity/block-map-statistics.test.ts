import { describe, expect, it } from 'vitest'
import {
  blockMapStatistics,
  blockMapToText,
  createBlockMap,
  denseBlockMap,
  mask,
  transposeBlockMap,
} from '@attn/core'
import { patterns } from './patterns.ts'

const sizes = { queryBlockSize: 8, keyBlockSize: 16 }
const shape = { batch: 2, heads: 2, queryLength: 45, keyLength: 70 }

describe('blockMapStatistics', () => {
  it.each(Object.keys(patterns))('counts what the picture of %s shows', (name) => {
    const map = createBlockMap(patterns[name], { ...shape, parameters: { width: 20 } }, sizes)
    const lines: string[] = []
    for (let batch = 0; batch < map.batch; batch++) {
      for (let head = 0; head < map.heads; head++) {
        lines.push(...blockMapToText(map, batch, head).split('\n'))
      }
    }
    const count = (wanted: string): number =>
      lines.reduce((sum, line) => sum + line.split(wanted).length - 1, 0)
    const visited = count('+') + count('#')
    expect(blockMapStatistics(map)).toEqual({
      total: lines.length * map.keyBlocks,
      visited,
      partial: count('+'),
      full: count('#'),
      skipped: count('.'),
      fraction: visited / (lines.length * map.keyBlocks),
      longestRow: Math.max(...lines.map((line) => line.replaceAll('.', '').length)),
      emptyRows: lines.filter((line) => /^\.*$/.test(line)).length,
    })
  })

  it('counts the same tiles by key', () => {
    const map = createBlockMap(patterns['causal'], shape, sizes)
    const byQuery = blockMapStatistics(map)
    const byKey = blockMapStatistics(transposeBlockMap(map))
    expect({ ...byKey, longestRow: 0, emptyRows: 0 }).toEqual({
      ...byQuery,
      longestRow: 0,
      emptyRows: 0,
    })
    expect(byKey.longestRow).toBe(6)
  })

  it('finds every tile of a dense map', () => {
    expect(blockMapStatistics(denseBlockMap(shape, sizes))).toMatchObject({
      total: 30,
      visited: 30,
      full: 24,
      partial: 6,
      fraction: 1,
    })
  })
})

describe('blockMapToText', () => {
  it('draws full, partial and empty tiles', () => {
    const window = mask('window', ({ query, key }) => query.sub(key).abs().le(16))
    const small = { batch: 1, heads: 1, queryLength: 48, keyLength: 48 }
    const map = createBlockMap(window, small, { queryBlockSize: 8, keyBlockSize: 8 })
    expect(blockMapToText(map)).toBe(
      ['##+...', '###+..', '+###+.', '.+###+', '..+###', '...+##'].join('\n'),
    )
  })

  it('refuses what it cannot draw', () => {
    const map = denseBlockMap(shape, sizes)
    expect(() => blockMapToText(createBlockMap(patterns['perHead'], shape, sizes), 0, 2)).toThrow(
      'blockMapToText: the map has 1 sequences and 2 heads, got batch=0 head=2',
    )
    expect(blockMapToText(map, 1, 1)).toBe(blockMapToText(map))
    const long = { ...shape, keyLength: 2 ** 20 }
    expect(() => blockMapToText(denseBlockMap(long, sizes))).toThrow(RangeError)
  })
})
