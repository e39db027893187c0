// What the picture of a mask shows: its tiles, at a size that a screen can draw, and how many there are.
import {
  blockMapRow,
  createBlockMap,
  planSparsity,
  type AttentionShape,
  type BlockMap,
  type Mask,
} from '@attn/core'
import { maskStatistics } from '@attn/masks'

/** Sides of a tile, in tokens. */
export interface TileSize {
  readonly queries: number
  readonly keys: number
}

export interface TilePicture {
  readonly length: number
  readonly tile: TileSize
  /** Tiles down and across. */
  readonly rows: number
  readonly columns: number
  /** SVG paths in units of a token. */
  readonly partialPath: string
  readonly fullPath: string
  /** The visible pairs one by one, where they are few enough to see. */
  readonly pairsPath: string
  readonly partial: number
  readonly full: number
  readonly empty: number
  /** Pairs that are visible; undefined where counting them would hold up the page. */
  readonly visiblePairs: number | undefined
  /** Heads that have maps of their own; 1 where all share one. */
  readonly heads: number
  /** What the planner runs instead, where another order of the tokens leaves fewer tiles. */
  readonly passes: readonly PassPicture[]
}

/** One pass over reordered tokens. */
export interface PassPicture {
  /** Sides of the picture in slots, the places that tokens stand in. */
  readonly width: number
  readonly height: number
  readonly partialPath: string
  readonly fullPath: string
  readonly visited: number
}

/** More tiles along a side than this are too small to see. */
const maximumTiles = 256
/** Sequences up to this length show their pairs. */
const maximumPairs = 128
/** Sequences up to this length have their pairs counted. */
const maximumCounted = 8192

/** The smallest multiple of a tile that keeps the picture legible. */
export function legibleTile(length: number, { queries, keys }: TileSize): TileSize {
  let factor = 1
  while (length / (factor * Math.min(queries, keys)) > maximumTiles) factor *= 2
  return { queries: factor * queries, keys: factor * keys }
}

export function tilePicture(
  mask: Mask | undefined,
  shape: AttentionShape,
  tile: TileSize,
  head: number,
): TilePicture {
  const length = shape.keyLength
  const map = mapWith(mask, shape, tile)
  const shownHead = Math.min(head, map.heads - 1)
  const { paths, counts } = drawMap(map, shownHead)
  const pairs = length <= maximumPairs ? mapWith(mask, shape, { queries: 1, keys: 1 }) : undefined
  return {
    length,
    tile,
    rows: map.queryBlocks,
    columns: map.keyBlocks,
    partialPath: paths.partial,
    fullPath: paths.full,
    pairsPath: pairs ? drawMap(pairs, shownHead).paths.full : '',
    ...counts,
    empty: map.queryBlocks * map.keyBlocks - counts.partial - counts.full,
    visiblePairs: length <= maximumCounted ? countPairs(mask, shape, shownHead) : undefined,
    heads: map.heads,
    passes: mask ? drawPasses(mask, shape, tile, shownHead) : [],
  }
}

function drawPasses(
  mask: Mask,
  { heads, queryLength, keyLength }: AttentionShape,
  tile: TileSize,
  head: number,
): PassPicture[] {
  if (!mask.orders) return []
  const sizes = { queryBlockSize: tile.queries, keyBlockSize: tile.keys }
  const plan = planSparsity(mask, { batch: 1, heads, queryLength, keyLength }, sizes)
  if (plan.chosen === 0) return []
  return plan.passes.map(({ blockMap }) => {
    const { paths, counts } = drawMap(blockMap, Math.min(head, blockMap.heads - 1))
    return {
      width: blockMap.keyBlocks * tile.keys,
      height: blockMap.queryBlocks * tile.queries,
      partialPath: paths.partial,
      fullPath: paths.full,
      visited: counts.partial + counts.full,
    }
  })
}

function mapWith(mask: Mask | undefined, shape: AttentionShape, tile: TileSize): BlockMap {
  const { heads, queryLength, keyLength } = shape
  const sizes = { queryBlockSize: tile.queries, keyBlockSize: tile.keys }
  return createBlockMap(mask, { batch: 1, heads, queryLength, keyLength }, sizes)
}

interface DrawnMap {
  readonly paths: { readonly partial: string; readonly full: string }
  readonly counts: { readonly partial: number; readonly full: number }
}

function countPairs(mask: Mask | undefined, shape: AttentionShape, head: number): number {
  const { queryLength, keyLength } = shape
  if (!mask) return queryLength * keyLength
  return maskStatistics(mask, keyLength, { queryLength, head }).pairs
}

function drawMap(map: BlockMap, head: number): DrawnMap {
  const { queryBlockSize: height, keyBlockSize: width, queryLength, keyLength } = map
  const paths = { partial: '', full: '' }
  const counts = { partial: 0, full: 0 }
  for (let row = 0; row < map.queryBlocks; row++) {
    const top = row * height
    const bottom = Math.min(top + height, queryLength)
    for (const { start, end, full } of blockMapRow(map, 0, head, row)) {
      counts[full ? 'full' : 'partial'] += end - start
      const right = Math.min(end * width, keyLength)
      paths[full ? 'full' : 'partial'] +=
        `M${start * width} ${top}H${right}V${bottom}H${start * width}z`
    }
  }
  return { paths, counts }
}
