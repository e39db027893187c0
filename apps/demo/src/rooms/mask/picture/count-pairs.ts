// How many pairs are visible. Tiles that are full or empty are counted at once; the pairs of the others are
// asked one by one, a row of tiles at a time, so that whoever waits for the thread gets it in between.
import { blockMapRow, compile, createBlockMap } from '@attn/core'
import { attentionOptions, shapeOf } from '../settings/settings.ts'
import type { PictureRequest } from './make-picture.ts'

/** Pairs that are asked one by one, at most: a second or so. */
const mostAsked = 4e7
const side = 32

/**
 * Counts the visible pairs of a head, giving the number so far after every row of tiles.
 *
 * @returns The number; undefined where counting would take long.
 */
export function* countPairs({
  settings,
  head,
}: PictureRequest): Generator<number, number | undefined> {
  const { mask } = attentionOptions(settings)
  const { heads, queryLength, keyLength } = shapeOf(settings)
  if (!mask) return queryLength * keyLength
  const shape = { batch: 1, heads, queryLength, keyLength }
  const tile = Math.max(side, Math.ceil(keyLength / 2048))
  const map = createBlockMap(mask, shape, { queryBlockSize: tile, keyBlockSize: tile })
  const own = Math.min(head, map.heads - 1)
  const rows = Array.from({ length: map.queryBlocks }, (_, row) => blockMapRow(map, 0, own, row))
  const partial = rows
    .flat()
    .reduce((sum, { start, end, full }) => sum + (full ? 0 : end - start), 0)
  if (partial * tile ** 2 > mostAsked) return undefined
  const allows = compile(mask.expression)
  const point = {
    batch: 0,
    head: own,
    heads,
    queryLength,
    keyLength,
    query: 0,
    queryIndex: 0,
    key: 0,
  }
  let count = 0
  for (const [row, runs] of rows.entries()) {
    const first = row * tile
    const last = Math.min(first + tile, queryLength)
    for (const { start, end, full } of runs) {
      const stop = Math.min(end * tile, keyLength)
      if (full) {
        count += (last - first) * (stop - start * tile)
        continue
      }
      for (let query = first; query < last; query++) {
        point.query = query
        point.queryIndex = query
        for (point.key = start * tile; point.key < stop; point.key++) if (allows(point)) count++
      }
    }
    yield count
  }
  return count
}
