// What the planner runs where another order of the tokens leaves fewer tiles: for every pass its tiles, and
// where its pairs stand before and after.
import {
  compile,
  planSparsity,
  tokensOf,
  type Mask,
  type SparsityPass,
  type TokenOrder,
} from '@attn/core'
import type { PictureShape } from './pair-raster.ts'
import { legibleLayer, type TileLayer, type TileSize } from './tile-layer.ts'

/** One pass over tokens in the planner's order. */
export interface PassLayer extends TileLayer {
  /** Which order queries and keys stand in, in words. */
  readonly queryOrder: string
  readonly keyOrder: string
  /** Visible pairs, all of them or evenly drawn from them: four numbers each, see `movesOf`. */
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
/** Pairs that are asked whether they are visible, at most: some hundredths of a second. */
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
  const orders = { ...(queryOrder && { queryOrder }), ...(keyOrder && { keyOrder }) }
  return {
    ...legibleLayer(pass.mask, shape, pass.blockMap, head, orders),
    queryOrder: queryOrder?.name ?? 'natural',
    keyOrder: keyOrder?.name ?? 'natural',
    ...(withMoves ? movesOf(pass, shape, head) : { moves: new Uint32Array(), complete: false }),
  }
}

/**
 * For every pair the token of its query and of its key, and the slots that they stand in. Of more pairs than can be
 * told apart, those of evenly spread queries.
 */
function movesOf(
  { mask, queryOrder, keyOrder }: SparsityPass,
  { heads, queryLength, keyLength, queryOffset = keyLength - queryLength }: PictureShape,
  head: number,
): Pick<PassLayer, 'moves' | 'complete'> {
  const querySlots = slotsOf(queryOrder, queryLength)
  const keySlots = slotsOf(keyOrder, keyLength)
  const allows = compile(mask.expression)
  // One point for all: it is asked about millions of times.
  const point = { batch: 0, head, heads, queryLength, keyLength, query: 0, queryIndex: 0, key: 0 }
  const offset = Number(queryOffset)
  const moves = new Uint32Array(4 * mostMoves)
  let count = 0
  let queries = 0
  // A step that is coprime to the length reaches every query once, and spreads the first of them evenly.
  const step = coprime(Math.round(queryLength * 0.618), queryLength)
  const turns = Math.min(queryLength, Math.floor(mostAsked / keyLength))
  for (let turn = 0, row = 0; turn < turns; turn++, row = (row + step) % queryLength) {
    const found: number[] = []
    point.query = offset + row
    point.queryIndex = row
    for (point.key = 0; point.key < keyLength; point.key++) {
      if (allows(point)) found.push(point.key)
    }
    if (count + found.length > mostMoves) break
    for (const key of found) {
      moves.set([row, key, querySlots(row), keySlots(key)], 4 * count)
      count++
    }
    queries++
  }
  return { moves: moves.slice(0, 4 * count), complete: queries === queryLength }
}

function slotsOf(order: TokenOrder | undefined, length: number): (token: number) => number {
  if (!order) return (token) => token
  const slots = new Uint32Array(length)
  tokensOf(order).forEach((token, slot) => {
    if (token >= 0) slots[token] = slot
  })
  return (token) => slots[token]!
}

function coprime(start: number, length: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b))
  let step = Math.max(1, start)
  while (divisor(step, length) !== 1) step++
  return step
}
