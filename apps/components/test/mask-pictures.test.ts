// Pictures against the masks pair by pair.
import { blockMapStatistics, compile, createBlockMap, type Mask } from '@attn/core'
import { bigBird, fixed, strided } from '@attn/masks'
import { describe, expect, test } from 'vitest'
import { namedMask, namedMaskLength, namedMasks } from '../src/mask/named-masks.ts'
import { pairRaster } from '../src/mask/pair-raster.ts'
import { plannedLayers } from '../src/mask/pass-layers.ts'
import { legibleLayer, tileLayer } from '../src/mask/tile-layer.ts'

const square = (length: number) => ({
  batch: 1,
  heads: 1,
  queryLength: length,
  keyLength: length,
})

function visibility(mask: Mask, length: number): (query: number, key: number) => boolean {
  const allows = compile(mask.expression)
  const sizes = { batch: 0, head: 0, heads: 1, queryLength: length, keyLength: length }
  return (query, key) => allows({ ...sizes, query, queryIndex: query, key }) !== 0
}

describe('the raster of pairs', () => {
  test.each(namedMasks)('%s: a cell is painted if its pair is visible', (name) => {
    const mask = namedMask(name)
    const { cells, cell, columns } = pairRaster(mask, square(namedMaskLength), 0, 512)
    const visible = visibility(mask, namedMaskLength)
    expect(cell).toBe(1)
    const wrong = [...cells.keys()].filter(
      (at) => cells[at]! > 0 !== visible(Math.floor(at / columns), at % columns),
    )
    expect(wrong).toEqual([])
  })

  test('says of cells of many pairs whether some or all are visible', () => {
    const mask = strided(8).merged()
    const { cells, cell, columns } = pairRaster(mask, square(64), 0, 16)
    const visible = visibility(mask, 64)
    expect(cell).toBe(4)
    cells.forEach((value, at) => {
      const [top, left] = [cell * Math.floor(at / columns), cell * (at % columns)]
      let count = 0
      for (let i = 0; i < cell ** 2; i++) {
        if (visible(top + Math.floor(i / cell), left + (i % cell))) count++
      }
      expect(value === 0, `cell ${at}`).toBe(count === 0)
      expect(value > 0 && value % 2 === 0, `cell ${at}`).toBe(count === cell ** 2)
    })
  })

  test('paints the first of the parts that allow a pair', () => {
    const mask = bigBird({ length: 64, blockSize: 4, randomBlocks: 2, seed: 5 })
    const { cells, columns, parts } = pairRaster(mask, square(64), 0, 512)
    expect(parts).toEqual(['global keys', 'global queries', 'window', 'random'])
    const seenBy = mask.components.map((part) => visibility(part, 64))
    cells.forEach((value, at) => {
      const [query, key] = [Math.floor(at / columns), at % columns]
      const first = seenBy.findIndex((sees) => sees(query, key))
      expect(value, `pair ${at}`).toBe(first < 0 ? 0 : 2 * first + 2)
    })
  })
})

describe('tiles too small to see', () => {
  test.each([
    ['strided', strided(64).merged()],
    ['BigBird', bigBird({ length: 1104, blockSize: 12, randomBlocks: 2, seed: 5 })],
    ['all', undefined],
  ])('%s: are drawn together as larger tiles are, and counted one by one', (_, mask) => {
    const shape = square(1104)
    const small = createBlockMap(mask, shape, { queryBlockSize: 2, keyBlockSize: 2 })
    const large = createBlockMap(mask, shape, { queryBlockSize: 8, keyBlockSize: 8 })
    const drawn = legibleLayer(small)
    expect(drawn.drawnTile).toEqual({ queries: 8, keys: 8 })
    const areas = (path: string): string[] =>
      tilesOf(path).flatMap(([left, top, right, bottom]) =>
        Array.from({ length: Math.ceil((right! - left!) / 8) }, (_tile, at) =>
          [left! + 8 * at, top, bottom].join(' '),
        ),
      )
    const direct = tileLayer(large)
    expect(new Set(areas(drawn.partialPath + drawn.fullPath))).toEqual(
      new Set(areas(direct.partialPath + direct.fullPath)),
    )
    expect(areas(drawn.fullPath)).toEqual(areas(direct.fullPath))
    const { partial, full, skipped } = blockMapStatistics(small)
    expect(drawn).toMatchObject({ partial, full, empty: skipped })
  })
})

describe('the layers of passes', () => {
  test.each([
    ['strided', strided(16).merged()],
    ['fixed', fixed(16, { summary: 2 }).merged()],
  ])('%s: every visible pair moves once, into a tile that is computed', (_, mask) => {
    const length = 256
    const tile = { queries: 16, keys: 16 }
    const { passes, candidates, chosen } = plannedLayers(mask, square(length), tile, 0)
    expect(passes.length).toBeGreaterThan(0)
    expect(candidates[chosen]!.tiles).toBeLessThan(candidates[0]!.tiles)
    expect(passes.reduce((sum, { partial, full }) => sum + partial + full, 0)).toBe(
      candidates[chosen]!.tiles,
    )
    const moved = new Set<number>()
    for (const { moves, complete, width, height, ...layer } of passes) {
      expect(complete).toBe(true)
      const drawn = tilesOf(layer.partialPath + layer.fullPath)
      for (let at = 0; at < moves.length; at += 4) {
        const [query, key, down, across] = moves.subarray(at, at + 4) as unknown as number[]
        moved.add(query! * length + key!)
        expect(down).toBeLessThan(height)
        expect(across).toBeLessThan(width)
        const inside = drawn.some(
          ([left, top, right, bottom]) =>
            across! >= left! && across! < right! && down! >= top! && down! < bottom!,
        )
        expect(inside, `pair ${query} ${key} in slots ${down} ${across}`).toBe(true)
      }
    }
    const visible = visibility(mask, length)
    let count = 0
    for (let pair = 0; pair < length ** 2; pair++) {
      if (!visible(Math.floor(pair / length), pair % length)) continue
      count++
      expect(moved.has(pair)).toBe(true)
    }
    expect(moved.size).toBe(count)
  })

  test('of many pairs some are moved: visible ones, of all parts of the picture', () => {
    const length = 4096
    const mask = strided(64).merged()
    const { passes } = plannedLayers(mask, square(length), { queries: 64, keys: 64 }, 0)
    const visible = visibility(mask, length)
    for (const { moves, complete, width } of passes) {
      expect(complete).toBe(false)
      expect(moves.length / 4).toBeGreaterThan(2000)
      const columns = new Set<number>()
      for (let at = 0; at < moves.length; at += 4) {
        expect(visible(moves[at]!, moves[at + 1]!)).toBe(true)
        columns.add(Math.floor((16 * moves[at + 3]!) / width))
      }
      expect(columns.size).toBe(16)
    }
  })

  test('a mask without proposals has none', () => {
    expect(
      plannedLayers(namedMask('Causal'), square(64), { queries: 8, keys: 8 }, 0).passes,
    ).toEqual([])
  })
})

/** Left, top, right and bottom of every rectangle of a path. */
function tilesOf(path: string): number[][] {
  return [...path.matchAll(/M(\d+) (\d+)H(\d+)V(\d+)/g)].map((match) => match.slice(1).map(Number))
}
