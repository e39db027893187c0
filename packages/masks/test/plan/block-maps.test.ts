// Block maps of every pattern are exact: bounds see through every expression this package ships.
import { blockMapRow, createBlockMap } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { componentsOf } from '../../src/index.ts'
import { everyPattern } from '../support/every-pattern.ts'
import { pairsOf, pairsOfParts } from '../support/pairs.ts'

const length = 160
const tile = 16
const tiles = length / tile

/** Tiles as text: `#` full, `+` partial, `.` empty. */
function tilesByPair(rows: readonly string[]): string[] {
  return Array.from({ length: tiles }, (_, row) =>
    Array.from({ length: tiles }, (_, column) => {
      const part = rows
        .slice(row * tile, (row + 1) * tile)
        .map((line) => line.slice(column * tile, (column + 1) * tile))
        .join('')
      if (!part.includes('#')) return '.'
      return part.includes('.') ? '+' : '#'
    }).join(''),
  )
}

describe.each(everyPattern(length, 16))('%s', (_, pattern) => {
  test('has the block map that its pairs say', () => {
    const sizes = { queryBlockSize: tile, keyBlockSize: tile }
    const shape = { batch: 1, heads: 4, queryLength: length, keyLength: length }
    const map = createBlockMap(pattern, shape, sizes)
    for (let head = 0; head < 4; head++) {
      const planned = Array.from({ length: tiles }, (_, row) => {
        const line = Array<string>(tiles).fill('.')
        for (const { start, end, full } of blockMapRow(map, 0, head, row)) {
          line.fill(full ? '#' : '+', start, end)
        }
        return line.join('')
      })
      expect(planned).toEqual(tilesByPair(pairsOf(pattern, length, { head, heads: 4 })))
    }
  })

  test('is the union of its parts', () => {
    expect(componentsOf(pattern).length).toBeGreaterThan(0)
    for (const head of [0, 1]) {
      expect(pairsOfParts(pattern, length, { head })).toEqual(pairsOf(pattern, length, { head }))
    }
  })
})
