// Rows of tiles that are much longer than the others (a global token beside windows) would set the
// time: their tiles are spread over several workgroups, whose results a second kernel merges.
import type { BlockMap } from '@attn/core'
import { workgroupsAtOnce } from '../dispatch.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'

/** The longest rows of each map, cut into parts. All maps have as many rows cut into as many parts. */
export interface SplitRows {
  /** Rows that are cut: the first in the order of the packed map. */
  readonly rows: number
  /** Parts of all of them. */
  readonly parts: number
  /** Offsets of the runs of each part, the row of each part, the runs, the first part of each row. */
  readonly words: Uint32Array<ArrayBuffer>
  readonly orderBase: number
  readonly runsBase: number
  readonly firstPartsBase: number
  /** Tiles of the longest part. */
  readonly longestPart: number
}

/** A part is worth a workgroup of its own from so many keys on. */
const smallestPart = 1024
/** A row is long if it is so many times as long as the mean. */
const longTimesMean = 4

/**
 * Cuts the long rows of a block map, where there are any that the rest of the work does not hide.
 *
 * @param planes - Heads times sequences that the maps are for, over which they are repeated.
 * @param tileKeys - Keys of a tile.
 */
export function splitLongRows(
  map: BlockMap,
  packed: PackedBlockMap,
  planes: number,
  tileKeys: number,
): SplitRows | undefined {
  const { queryBlocks } = map
  const maps = map.batch * map.heads
  const total = (packed.visited * planes) / maps
  // Parts are short enough when so many of them would be all the work.
  const target = Math.max(smallestPart / tileKeys, Math.ceil(total / workgroupsAtOnce))
  const mean = packed.visited / packed.rowTiles.length
  const isLong = (tiles: number): boolean => tiles > Math.max(2 * target, longTimesMean * mean)
  const rowAt = (plane: number, rank: number): number =>
    plane * queryBlocks + packed.words[packed.orderBase + plane * queryBlocks + rank]!

  let rows = 0
  for (let plane = 0; plane < maps; plane++) {
    let long = 0
    while (long < queryBlocks && isLong(packed.rowTiles[rowAt(plane, long)]!)) long++
    rows = Math.max(rows, long)
  }
  if (rows === 0 || rows * planes >= workgroupsAtOnce) return undefined

  const partsOf = Array.from({ length: rows }, (_, rank) => {
    const lengths = Array.from({ length: maps }, (_, plane) => packed.rowTiles[rowAt(plane, rank)]!)
    return Math.max(1, ...lengths.map((tiles) => Math.ceil(tiles / target)))
  })
  const firstParts = [0]
  for (const parts of partsOf) firstParts.push(firstParts.at(-1)! + parts)
  const parts = firstParts.at(-1)!

  const offsets = [0]
  const order: number[] = []
  const runs: number[] = []
  let longestPart = 0
  for (let plane = 0; plane < maps; plane++) {
    for (let rank = 0; rank < rows; rank++) {
      const row = rowAt(plane, rank)
      const tiles = packed.rowTiles[row]!
      const count = partsOf[rank]!
      for (let part = 0; part < count; part++) {
        const first = Math.floor((tiles * part) / count)
        const end = Math.floor((tiles * (part + 1)) / count)
        runs.push(...runsBetween(map, row, first, end))
        longestPart = Math.max(longestPart, end - first)
        offsets.push(runs.length / 2)
        order.push(row - plane * queryBlocks)
      }
    }
  }
  const words = Uint32Array.from([...offsets, ...order, ...runs, ...firstParts])
  const orderBase = offsets.length
  const runsBase = orderBase + order.length
  return {
    rows,
    parts,
    words,
    orderBase,
    runsBase,
    firstPartsBase: runsBase + runs.length,
    longestPart,
  }
}

/** The runs of tiles `first .. end - 1` of a row, counted along its runs. */
function runsBetween(map: BlockMap, row: number, first: number, end: number): number[] {
  const result: number[] = []
  let before = 0
  for (let run = map.rowOffsets[row]!; run < map.rowOffsets[row + 1]!; run++) {
    const start = map.runs[2 * run]!
    const packed = map.runs[2 * run + 1]!
    const tiles = packed >>> 1
    const from = Math.max(first - before, 0)
    const to = Math.min(end - before, tiles)
    if (from < to) result.push(start + from, 2 * (to - from) + (packed & 1))
    before += tiles
  }
  return result
}
