// Token orders have gaps, and keys past the last one that counts: tiles were looked at as if tokens
// stood there, so that every class of an order looks the same. Here they are taken out again.
import type { BoundsEvaluator } from '../expression/bounds.ts'
import { appendRows } from './append-rows.ts'
import type { BlockSizes } from './block-map.ts'
import type { ScorePlane } from './look.ts'
import type { RowRuns } from './row-runs.ts'

/** Tiles of an axis: whole, with gaps, or nothing but gaps. */
const whole = 0
const withGaps = 1
const onlyGaps = 2

/**
 * The rows of a plane without tiles that hold no token; a tile with a gap among its keys is partial.
 * The same rows where both axes are in natural order.
 */
export function leaveOutGaps(
  rows: RowRuns,
  { queryTokens, keyTokens, querySlots, keySlots, queryLength }: ScorePlane,
  { queryBlockSize, keyBlockSize }: BlockSizes,
  keysThatCount: number,
): RowRuns {
  if (!queryTokens && !keyTokens) return rows
  const queryTiles = gapsOf(queryTokens, querySlots, queryBlockSize, queryLength)
  const keyTiles = gapsOf(keyTokens, keySlots, keyBlockSize, keysThatCount)
  const none = (tiles: Uint8Array): boolean => tiles.every((gaps) => gaps === whole)
  if (none(keyTiles) && !queryTiles.includes(onlyGaps)) return rows
  const result = appendRows(rows.starts.length, keyTiles.length)
  for (let row = 0; row < rows.starts.length; row++) {
    const end = queryTiles[row] === onlyGaps ? 0 : rows.ends[row]!
    for (let run = rows.starts[row]!; run < end; run++) {
      const start = rows.runs[2 * run]!
      const packed = rows.runs[2 * run + 1]!
      for (let tile = start; tile < start + (packed >>> 1); tile++) {
        const gaps = keyTiles[tile]
        if (gaps !== onlyGaps) result.add(tile, 1, (packed & 1) === 1 && gaps === whole)
      }
    }
    result.endRow()
  }
  return result.finish()
}

function gapsOf(
  tokens: BoundsEvaluator | undefined,
  slots: number,
  blockSize: number,
  length: number,
): Uint8Array {
  const tiles = new Uint8Array(Math.ceil(slots / blockSize))
  // In natural order the rows were cut off at the end already.
  if (!tokens) return tiles
  for (let tile = 0; tile < tiles.length; tile++) {
    const first = tile * blockSize
    const last = Math.min(first + blockSize, slots) - 1
    const { low, high } = tokens({
      slot: { low: first, high: last, stride: first === last ? 0 : 1 },
    })
    const short = last - first + 1 < blockSize
    if (low >= length) tiles[tile] = onlyGaps
    else if (high >= length || short) tiles[tile] = withGaps
    else tiles[tile] = whole
  }
  return tiles
}
