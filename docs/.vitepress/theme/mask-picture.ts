// A mask as shapes to draw: its tiles from `createBlockMap`, its visible pairs as runs of cells.
import { blockMapRow, compile, createBlockMap, type Mask, type TileRun } from '@attn/core'

export interface PlacedRun extends TileRun {
  readonly queryBlock: number
}

export interface MaskPicture {
  readonly tiles: readonly PlacedRun[]
  readonly counts: { readonly partial: number; readonly full: number; readonly total: number }
  /** One path of all visible pairs, one unit a pair. */
  readonly cells: string
  readonly visiblePairs: number
}

export function maskPicture(mask: Mask | undefined, length: number, block: number): MaskPicture {
  const shape = { batch: 1, heads: 1, queryLength: length, keyLength: length }
  const map = createBlockMap(mask, shape, { queryBlockSize: block, keyBlockSize: block })
  const tiles: PlacedRun[] = []
  let partial = 0
  let full = 0
  for (let queryBlock = 0; queryBlock < map.queryBlocks; queryBlock++) {
    for (const run of blockMapRow(map, 0, 0, queryBlock)) {
      tiles.push({ ...run, queryBlock })
      if (run.full) full += run.end - run.start
      else partial += run.end - run.start
    }
  }

  const allows = mask ? compile(mask.expression) : () => 1
  const sizes = { batch: 0, head: 0, heads: 1, queryLength: length, keyLength: length }
  let cells = ''
  let visiblePairs = 0
  for (let query = 0; query < length; query++) {
    let start = -1
    for (let key = 0; key <= length; key++) {
      const visible = key < length && allows({ ...sizes, query, queryIndex: query, key }) !== 0
      if (visible && start < 0) start = key
      if (!visible && start >= 0) {
        cells += `M${start} ${query}h${key - start}v1h${start - key}z`
        visiblePairs += key - start
        start = -1
      }
    }
  }
  const total = map.queryBlocks * map.keyBlocks
  return { tiles, counts: { partial, full, total }, cells, visiblePairs }
}
