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
export function legibleLayer(map: BlockMap, head = 0): TileLayer {
  let factor = 1
  while (Math.max(map.queryBlocks, map.keyBlocks) / factor > mostDrawn) factor *= 2
  return factor === 1
    ? tileLayer(map, head)
    : joinedLayer(map, Math.min(head, map.heads - 1), factor)
}

/**
 * Tiles drawn together, `factor` along each side, from the map of the single ones: a mask of a million tokens is
 * not looked at twice.
 */
function joinedLayer(map: BlockMap, head: number, factor: number): TileLayer {
  const { queryBlockSize, keyBlockSize, queryBlocks, keyBlocks, queryLength, keyLength } = map
  const drawnTile = { queries: factor * queryBlockSize, keys: factor * keyBlockSize }
  const columns = Math.ceil(keyBlocks / factor)
  const paths = { partial: '', full: '' }
  const counts = { partial: 0, full: 0 }
  /** Tiles of each drawn one that are computed, and that are full. */
  const visited = new Uint32Array(columns)
  const full = new Uint32Array(columns)
  for (let first = 0; first < queryBlocks; first += factor) {
    const rows = Math.min(factor, queryBlocks - first)
    visited.fill(0)
    full.fill(0)
    for (let row = first; row < first + rows; row++) {
      for (const run of blockMapRow(map, 0, head, row)) {
        counts[run.full ? 'full' : 'partial'] += run.end - run.start
        for (let column = Math.floor(run.start / factor); column * factor < run.end; column++) {
          const left = Math.max(run.start, column * factor)
          const tiles = Math.min(run.end, (column + 1) * factor) - left
          visited[column]! += tiles
          if (run.full) full[column]! += tiles
        }
      }
    }
    const top = first * queryBlockSize
    const bottom = Math.min(top + drawnTile.queries, queryLength)
    const kindOf = (column: number): 'partial' | 'full' | undefined => {
      if (column >= columns || visited[column] === 0) return undefined
      const tiles = rows * Math.min(factor, keyBlocks - column * factor)
      return full[column] === tiles ? 'full' : 'partial'
    }
    for (let start = 0, column = 0; column < columns; start = column) {
      const kind = kindOf(start)
      while (column < columns && kindOf(column) === kind) column++
      if (!kind) continue
      const left = start * drawnTile.keys
      paths[kind] +=
        `M${left} ${top}H${Math.min(column * drawnTile.keys, keyLength)}V${bottom}H${left}z`
    }
  }
  return {
    width: keyLength,
    height: queryLength,
    tile: { queries: queryBlockSize, keys: keyBlockSize },
    drawnTile,
    partialPath: paths.partial,
    fullPath: paths.full,
    ...counts,
    empty: queryBlocks * keyBlocks - counts.partial - counts.full,
  }
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
