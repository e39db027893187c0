// The tiles of a block map as shapes to draw, and how many there are of each kind.
import { blockMapRow, type BlockMap } from '@attn/core'

/** Sides of a tile, in tokens. */
export interface TileSize {
  readonly queries: number
  readonly keys: number
}

export interface TileLayer {
  /** Sides of the picture in tokens; in slots, where tokens stand in an order of their own. */
  readonly width: number
  readonly height: number
  readonly tile: TileSize
  /** SVG paths in units of a token. */
  readonly partialPath: string
  readonly fullPath: string
  readonly partial: number
  readonly full: number
  /** Tiles that are neither computed nor read. */
  readonly empty: number
}

/** The tiles of one head. */
export function tileLayer(map: BlockMap, head = 0): TileLayer {
  const { queryBlockSize, keyBlockSize, queryLength, keyLength } = map
  const paths = { partial: '', full: '' }
  const counts = { partial: 0, full: 0 }
  for (let row = 0; row < map.queryBlocks; row++) {
    const top = row * queryBlockSize
    const bottom = Math.min(top + queryBlockSize, queryLength)
    for (const { start, end, full } of blockMapRow(map, 0, Math.min(head, map.heads - 1), row)) {
      const kind = full ? 'full' : 'partial'
      const left = start * keyBlockSize
      counts[kind] += end - start
      paths[kind] += `M${left} ${top}H${Math.min(end * keyBlockSize, keyLength)}V${bottom}H${left}z`
    }
  }
  return {
    width: keyLength,
    height: queryLength,
    tile: { queries: queryBlockSize, keys: keyBlockSize },
    partialPath: paths.partial,
    fullPath: paths.full,
    ...counts,
    empty: map.queryBlocks * map.keyBlocks - counts.partial - counts.full,
  }
}

/** The lines between tiles; none where they would cover what they part. */
export function gridPath({ width, height, tile }: TileLayer, mostLines = 64): string {
  if (Math.min(tile.queries, tile.keys) < 2) return ''
  const rows = Math.ceil(height / tile.queries)
  const columns = Math.ceil(width / tile.keys)
  if (Math.max(rows, columns) > mostLines) return ''
  const down = Array.from({ length: columns - 1 }, (_, i) => `M${(i + 1) * tile.keys} 0V${height}`)
  const across = Array.from({ length: rows - 1 }, (_, i) => `M0 ${(i + 1) * tile.queries}H${width}`)
  return [...down, ...across].join('')
}
