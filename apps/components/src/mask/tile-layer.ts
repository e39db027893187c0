// The tiles of a block map as shapes to draw, and how many there are of each kind.
import {
  blockMapRow,
  blockMapStatistics,
  createBlockMap,
  type BlockMap,
  type Mask,
  type TokenOrders,
} from '@attn/core'
import type { PictureShape } from './pair-raster.ts'

/** Sides of a tile, in tokens. */
export interface TileSize {
  readonly queries: number
  readonly keys: number
}

export interface TileLayer {
  /** Sides of the picture in tokens; in slots, where tokens stand in an order of their own. */
  readonly width: number
  readonly height: number
  /** The tile that is counted. */
  readonly tile: TileSize
  /** The tile that is drawn: larger, where those would be too small to see. */
  readonly drawnTile: TileSize
  /** SVG paths in units of a token. */
  readonly partialPath: string
  readonly fullPath: string
  readonly partial: number
  readonly full: number
  /** Tiles that are neither computed nor read. */
  readonly empty: number
}

/** More tiles along a side than this are too small to see. */
const mostDrawn = 256

/**
 * The tiles of one head.
 *
 * @param head - Which; the first where all heads share a map.
 */
export function tileLayer(map: BlockMap, head = 0): TileLayer {
  const own = Math.min(head, map.heads - 1)
  const { queryBlockSize, keyBlockSize, queryLength, keyLength } = map
  const tile = { queries: queryBlockSize, keys: keyBlockSize }
  const paths = { partial: '', full: '' }
  const counts = { partial: 0, full: 0 }
  for (let row = 0; row < map.queryBlocks; row++) {
    const top = row * queryBlockSize
    const bottom = Math.min(top + queryBlockSize, queryLength)
    for (const { start, end, full } of blockMapRow(map, 0, own, row)) {
      const kind = full ? 'full' : 'partial'
      const left = start * keyBlockSize
      counts[kind] += end - start
      paths[kind] += `M${left} ${top}H${Math.min(end * keyBlockSize, keyLength)}V${bottom}H${left}z`
    }
  }
  return {
    width: keyLength,
    height: queryLength,
    tile,
    drawnTile: tile,
    partialPath: paths.partial,
    fullPath: paths.full,
    ...counts,
    empty: map.queryBlocks * map.keyBlocks - counts.partial - counts.full,
  }
}

/** The tiles of one head of a mask of any length: all are counted, and drawn at a size that can be seen. */
export function legibleLayer(
  mask: Mask | undefined,
  shape: PictureShape,
  map: BlockMap,
  head = 0,
  orders: TokenOrders = {},
): TileLayer {
  let factor = 1
  while (Math.max(map.queryBlocks, map.keyBlocks) / factor > mostDrawn) factor *= 2
  if (factor === 1) return tileLayer(map, head)
  const sizes = {
    queryBlockSize: factor * map.queryBlockSize,
    keyBlockSize: factor * map.keyBlockSize,
  }
  const drawn = tileLayer(createBlockMap(mask, shape, sizes, orders), head)
  return {
    ...drawn,
    ...countTiles(map, head),
    tile: { queries: map.queryBlockSize, keys: map.keyBlockSize },
  }
}

function countTiles(map: BlockMap, head: number): Pick<TileLayer, 'partial' | 'full' | 'empty'> {
  if (map.heads === 1 && map.batch === 1) {
    const { partial, full, total, visited } = blockMapStatistics(map)
    return { partial, full, empty: total - visited }
  }
  const counts = { partial: 0, full: 0 }
  for (let row = 0; row < map.queryBlocks; row++) {
    for (const { start, end, full } of blockMapRow(map, 0, head, row)) {
      counts[full ? 'full' : 'partial'] += end - start
    }
  }
  return { ...counts, empty: map.queryBlocks * map.keyBlocks - counts.partial - counts.full }
}

/** The lines between tiles; none where they would cover what they part. */
export function gridPath(
  { width, height, drawnTile: tile }: Pick<TileLayer, 'width' | 'height' | 'drawnTile'>,
  mostLines = 64,
): string {
  if (Math.min(tile.queries, tile.keys) < 2) return ''
  const rows = Math.ceil(height / tile.queries)
  const columns = Math.ceil(width / tile.keys)
  if (Math.max(rows, columns) > mostLines) return ''
  const down = Array.from({ length: columns - 1 }, (_, i) => `M${(i + 1) * tile.keys} 0V${height}`)
  const across = Array.from({ length: rows - 1 }, (_, i) => `M0 ${(i + 1) * tile.queries}H${width}`)
  return [...down, ...across].join('')
}
