import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blockMapRow,
  compile,
  createBlockMap,
  holdsAllKeys,
  mask,
  naturalOrder,
  periodicOrder,
  residueOrder,
  tokensOf,
} from '@attn/core'
import type { BlockMap, Mask, TokenOrder } from '@attn/core'

const strided = (l: number): Mask =>
  mask('strided', ({ query, key }) => key.le(query).and(query.sub(key).mod(l).eq(0)))
const summaries = (l: number, c: number): Mask =>
  mask('summaries', ({ query, key }) => key.le(query).and(key.mod(l).ge(l - c)))
const causal = mask('causal', ({ query, key }) => key.le(query))

describe('residueOrder', () => {
  it('holds every token once, whatever the tile', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(1, 4, 16),
        (length, stride, tile) => {
          const tokens = tokensOf(residueOrder(length, stride, tile)).filter((token) => token >= 0)
          expect(tokens.toSorted((a, b) => a - b)).toEqual([...Array(length).keys()])
        },
      ),
    )
  })

  it('begins each class of at least a tile on a tile', () => {
    const tokens = tokensOf(residueOrder(50, 5, 4))
    expect(tokens.length).toBe(5 * 12)
    expect([0, 12, 24, 36, 48].map((slot) => tokens[slot])).toEqual([0, 1, 2, 3, 4])
  })

  it('refuses sizes that are none', () => {
    expect(() => residueOrder(0, 4)).toThrow('residueOrder: length must be a positive integer')
    expect(() => residueOrder(4, 1.5)).toThrow(RangeError)
    expect(() => naturalOrder(-1)).toThrow(RangeError)
  })
})

describe('periodicOrder', () => {
  it('leaves out what it says', () => {
    const { leftOut, ...order } = periodicOrder(10, 4, 1, 2)
    expect(tokensOf({ ...order, leftOut })).toEqual([1, 2, 5, 6, 9, -1])
    expect(leftOut).toEqual([
      { low: 0, high: 8, stride: 4 },
      { low: 3, high: 11, stride: 4 },
    ])
  })

  it('may be used only where no query sees those', () => {
    const shape = { batch: 1, heads: 2, queryLength: 64, keyLength: 64 }
    const order = periodicOrder(64, 8, 6, 2)
    expect(holdsAllKeys(order, summaries(8, 2), shape)).toBe(true)
    expect(holdsAllKeys(order, summaries(8, 3), shape)).toBe(false)
    expect(holdsAllKeys(order, causal, shape)).toBe(false)
    expect(holdsAllKeys(residueOrder(64, 8), causal, shape)).toBe(true)
  })

  it('refuses places beyond the period', () => {
    expect(() => periodicOrder(10, 4, 3, 2)).toThrow('places must lie in 0 .. 3, got 3 .. 4')
  })
})

interface Frame {
  readonly queries: number
  readonly keys: number
  readonly offset: number
  readonly counting: number
}

/** '.', '+' or '#' for a tile, by asking every pair of tokens that stand in it. */
function tilesByPair(
  pattern: Mask,
  { queries, keys, offset, counting }: Frame,
  queryOrder: TokenOrder,
  keyOrder: TokenOrder,
  [rows, columns]: readonly [number, number],
): string[] {
  const visible = compile(pattern.expression)
  const queryTokens = tokensOf(queryOrder)
  const keyTokens = tokensOf(keyOrder)
  const lengths = { heads: 1, queryLength: queries, keyLength: keys, batch: 0, head: 0 }
  return Array.from({ length: Math.ceil(queryTokens.length / rows) }, (_, row) =>
    Array.from({ length: Math.ceil(keyTokens.length / columns) }, (_, column) => {
      let seen = 0
      let pairs = 0
      for (const query of queryTokens.slice(row * rows, (row + 1) * rows)) {
        if (query < 0) continue
        for (let c = 0; c < columns; c++) {
          pairs++
          const key = keyTokens[column * columns + c] ?? -1
          const position = { query: offset + query, queryIndex: query, key }
          if (key >= 0 && key < counting && visible({ ...lengths, ...position })) seen++
        }
      }
      return seen === 0 ? '.' : seen === pairs ? '#' : '+'
    }).join(''),
  )
}

function pictureOf(map: BlockMap): string[] {
  return Array.from({ length: map.queryBlocks }, (_, row) => {
    const tiles = Array<string>(map.keyBlocks).fill('.')
    for (const { start, end, full } of blockMapRow(map, 0, 0, row)) {
      tiles.fill(full ? '#' : '+', start, end)
    }
    return tiles.join('')
  })
}

/**
 * The tiles in which a map is not sound. It must hold what every pair shows; it may visit a tile for a
 * gap's sake, but not call it full.
 */
function unsoundTiles(map: BlockMap, right: readonly string[]): string[] {
  const allowed: Readonly<Record<string, string>> = { '#': '#+', '+': '+', '.': '.+' }
  const picture = pictureOf(map)
  return right.flatMap((row, index) =>
    row.split('').flatMap((wanted, column) => {
      const got = picture[index]?.[column] ?? 'nothing'
      return allowed[wanted]!.includes(got) ? [] : [`${index}, ${column}: ${got} for ${wanted}`]
    }),
  )
}

describe('createBlockMap under token orders', () => {
  const masks = fc.constantFrom(
    (l: number) => strided(l),
    (l: number) => summaries(l, Math.ceil(l / 3)),
    () => causal,
    (l: number) => mask('window', ({ query, key }) => query.sub(key).abs().le(l)),
    (l: number) => mask('prefix', ({ query, key }) => key.lt(l).or(key.le(query))),
  )

  it('holds what every pair of the tokens that stand there shows', () => {
    fc.assert(
      fc.property(
        masks,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 0, max: 30 }),
        fc.constantFrom(4, 8),
        fc.constantFrom(4, 8),
        fc.nat({ max: 5 }),
        (build, l, queries, more, rows, columns, padding) => {
          const keys = queries + more
          const pattern = build(l)
          const counting = Math.max(1, keys - padding)
          const tile = Math.max(rows, columns)
          const queryOrder = residueOrder(queries, l, tile)
          const keyOrder = residueOrder(keys, l, tile)
          const map = createBlockMap(
            pattern,
            {
              batch: 1,
              heads: 1,
              queryLength: queries,
              keyLength: keys,
              queryOffset: more,
              keyLengths: [counting],
            },
            { queryBlockSize: rows, keyBlockSize: columns },
            { queryOrder, keyOrder },
          )
          const frame = { queries, keys, offset: more, counting }
          const sizes = [rows, columns] as const
          expect(
            unsoundTiles(map, tilesByPair(pattern, frame, queryOrder, keyOrder, sizes)),
          ).toEqual([])
        },
      ),
    )
  })

  it('makes a strided mask of whole tiles', () => {
    const shape = { batch: 1, heads: 1, queryLength: 512, keyLength: 512 }
    const order = residueOrder(512, 4, 32)
    const orders = { queryOrder: order, keyOrder: order }
    const map = createBlockMap(strided(4), shape, { queryBlockSize: 32, keyBlockSize: 32 }, orders)
    expect(pictureOf(map).slice(0, 5)).toEqual([
      '+...............',
      '#+..............',
      '##+.............',
      '###+............',
      '....+...........',
    ])
  })

  it('keeps only the summaries', () => {
    const shape = { batch: 1, heads: 1, queryLength: 128, keyLength: 128 }
    const map = createBlockMap(
      summaries(16, 4),
      shape,
      { queryBlockSize: 32, keyBlockSize: 8 },
      { keyOrder: periodicOrder(128, 16, 12, 4) },
    )
    expect(pictureOf(map)).toEqual(['+...', '#+..', '##+.', '###+'])
  })

  it('refuses orders for other lengths, and queries left out', () => {
    const shape = { batch: 1, heads: 1, queryLength: 64, keyLength: 64 }
    const sizes = { queryBlockSize: 16, keyBlockSize: 16 }
    expect(() => createBlockMap(causal, shape, sizes, { queryOrder: residueOrder(63, 4) })).toThrow(
      'queryOrder must be for 64 tokens, got one for 63',
    )
    expect(() =>
      createBlockMap(causal, shape, sizes, { queryOrder: periodicOrder(64, 4, 3, 1) }),
    ).toThrow('queryOrder must hold every query')
  })
})
