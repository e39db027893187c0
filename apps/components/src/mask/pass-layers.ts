// What the planner runs where another order of the tokens leaves fewer tiles: for every pass its tiles, and
// where its pairs stand before and after.
import {
  blockMapRow,
  compile,
  planSparsity,
  type BlockMap,
  type Mask,
  type SparsityPass,
  type TileRun,
  type TokenOrder,
} from '@attn/core'
import type { PictureShape } from './pair-raster.ts'
import { legibleLayer, type TileLayer, type TileSize } from './tile-layer.ts'

/** One pass over tokens in the planner's order. */
export interface PassLayer extends TileLayer {
  /** Which order queries and keys stand in, in words. */
  readonly queryOrder: string
  readonly keyOrder: string
  /** Visible pairs, all of them or some of evenly spread tiles: four numbers each, see `movesOf`. */
  readonly moves: Uint32Array<ArrayBuffer>
  /** Whether `moves` holds every pair of the pass. */
  readonly complete: boolean
}

export interface PlannedLayers {
  /** Empty where the natural order is the cheapest. */
  readonly passes: readonly PassLayer[]
  /** The ways that the planner counted, in words, with their tiles. */
  readonly candidates: readonly { readonly name: string; readonly tiles: number }[]
  /** Number of the way chosen. */
  readonly chosen: number
}

/** Points that move at once, at most. */
const mostMoves = 12_000
/** Pairs of which all are looked for; of more, some are drawn. */
const mostAsked = 500_000

/**
 * The passes of one head.
 *
 * @param withMoves - Whether pairs are looked at one by one for `moves`, which takes longer than the plan.
 */
export function plannedLayers(
  mask: Mask | undefined,
  shape: PictureShape,
  tile: TileSize,
  head: number,
  withMoves = true,
): PlannedLayers {
  if (!mask?.orders) return { passes: [], candidates: [], chosen: 0 }
  const sizes = { queryBlockSize: tile.queries, keyBlockSize: tile.keys }
  const { passes, candidates, chosen } = planSparsity(mask, shape, sizes)
  return {
    passes: chosen === 0 ? [] : passes.map((pass) => passLayer(pass, shape, head, withMoves)),
    candidates: candidates.map(({ name, tiles }) => ({ name, tiles })),
    chosen,
  }
}

function passLayer(
  pass: SparsityPass,
  shape: PictureShape,
  head: number,
  withMoves: boolean,
): PassLayer {
  const { queryOrder, keyOrder } = pass
  return {
    ...legibleLayer(pass.blockMap, head),
    queryOrder: queryOrder?.name ?? 'natural',
    keyOrder: keyOrder?.name ?? 'natural',
    ...(withMoves ? movesOf(pass, shape, head) : { moves: new Uint32Array(), complete: false }),
  }
}

/**
 * For every pair the token of its query and of its key, and the slots that they stand in. Of more pairs than can be
 * told apart, some of evenly spread tiles.
 */
function movesOf(
  pass: SparsityPass,
  { heads, queryLength, keyLength, queryOffset = keyLength - queryLength }: PictureShape,
  head: number,
): Pick<PassLayer, 'moves' | 'complete'> {
  const { mask, queryOrder, keyOrder, blockMap } = pass
  const allows = compile(mask.expression)
  const [queryAt, keyAt] = [tokenAt(queryOrder), tokenAt(keyOrder)]
  // One point for all: it is asked about many times.
  const point = { batch: 0, head, heads, queryLength, keyLength, query: 0, queryIndex: 0, key: 0 }
  const moves = new Uint32Array(4 * mostMoves)
  let count = 0
  /** Keeps a pair of slots if a query and a key that it sees stand there. */
  const keep = (querySlot: number, keySlot: number): boolean => {
    const row = queryAt(querySlot)
    point.queryIndex = row
    point.query = Number(queryOffset) + row
    point.key = keyAt(keySlot)
    if (row >= queryLength || point.key >= keyLength || !allows(point)) return false
    moves.set([row, point.key, querySlot, keySlot], 4 * count)
    count++
    return true
  }
  const all = queryLength * keyLength <= mostAsked && keepAll(blockMap, head, keep)
  if (!all) {
    count = 0
    keepSome(blockMap, head, keep)
  }
  return { moves: moves.slice(0, 4 * count), complete: all }
}

type Keep = (querySlot: number, keySlot: number) => boolean

/** Every pair of every tile; false where they are too many. */
function keepAll(map: BlockMap, head: number, keep: Keep): boolean {
  let count = 0
  for (const { top, bottom, left, right } of tilesOf(map, head, 1)) {
    for (let query = top; query < bottom; query++) {
      for (let key = left; key < right; key++) {
        if (count >= mostMoves) return false
        if (keep(query, key)) count++
      }
    }
  }
  return true
}

/** A pair or some of every so many tiles: the first visible one from a place that moves on from tile to tile. */
function keepSome(map: BlockMap, head: number, keep: Keep): void {
  let tiles = 0
  for (let row = 0; row < map.queryBlocks; row++) {
    for (const { start, end } of rowOf(map, head, row)) tiles += end - start
  }
  const each = Math.max(1, Math.floor(mostMoves / Math.max(1, tiles)))
  let turn = 0
  for (const { top, bottom, left, right } of tilesOf(map, head, Math.ceil(tiles / mostMoves))) {
    const [rows, columns] = [bottom - top, right - left]
    for (let pair = 0; pair < each; pair++, turn++) {
      const query = top + (Math.floor(rows * golden * turn) % rows)
      const first = Math.floor(columns * golden ** 2 * turn)
      for (let step = 0; step < columns; step++) {
        if (keep(query, left + ((first + step) % columns))) break
      }
    }
  }
}

/** Steps of this part of a side come near every place of it before they come twice. */
const golden = 0.618_033_988_749_895

/** Every so many of the tiles that are computed, in slots. */
function* tilesOf(map: BlockMap, head: number, every: number) {
  const { queryBlockSize, keyBlockSize, queryLength, keyLength } = map
  let next = 0
  let passed = 0
  for (let row = 0; row < map.queryBlocks; row++) {
    const top = row * queryBlockSize
    const bottom = Math.min(top + queryBlockSize, queryLength)
    for (const { start, end } of rowOf(map, head, row)) {
      for (; next < passed + end - start; next += every) {
        const left = (start + next - passed) * keyBlockSize
        yield { top, bottom, left, right: Math.min(left + keyBlockSize, keyLength) }
      }
      passed += end - start
    }
  }
}

function rowOf(map: BlockMap, head: number, row: number): readonly TileRun[] {
  return blockMapRow(map, 0, Math.min(head, map.heads - 1), row)
}

/** The token in a slot; one past the last of the sequence in a gap. */
function tokenAt(order: TokenOrder | undefined): (slot: number) => number {
  if (!order) return (slot) => slot
  const token = compile(order.expression)
  const place = { slot: 0 }
  return (slot) => {
    place.slot = slot
    return token(place)
  }
}
