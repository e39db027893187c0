// In which order tiles come to the chip and leave it, apart from what is computed with them. The
// algorithms run these loops with tiles of numbers, `memoryTraffic` runs the same ones with tiles that
// only count, so that a count cannot differ from what runs. Two loop orders: FlashAttention-2 (arXiv
// 2307.08691, algorithm 1) keeps a tile of queries and streams the keys; FlashAttention (arXiv
// 2205.14135, algorithm 1) keeps a tile of keys and streams the queries, so it must load and store the
// partial outputs each time.
import { rangeError } from '../errors.ts'
import type { Tiling } from './tiling.ts'

/** Which loop is outside. */
export type LoopOrder = 'queries-outside' | 'keys-outside'

/**
 * Checks a loop order.
 *
 * @throws RangeError for anything else than the two.
 */
export function checkLoopOrder(caller: string, loopOrder: LoopOrder): void {
  if (loopOrder !== 'queries-outside' && loopOrder !== 'keys-outside') {
    throw rangeError(
      `${caller}: loopOrder must be queries-outside or keys-outside, got ${String(loopOrder)}`,
    )
  }
}

/** How the tiles of one tensor come and go; `head` is the query head at work. */
export interface TileMoves {
  load(batch: number, head: number, block: number): void
  store(batch: number, head: number, block: number): void
}

/** The tiles that are on the chip at one time in the forward pass, and what computes with them. */
export interface ForwardChip {
  readonly query: TileMoves
  readonly key: TileMoves
  readonly value: TileMoves
  readonly output: TileMoves
  readonly rowMaximum: TileMoves
  readonly rowSum: TileMoves
  readonly logSumExp: TileMoves
  /** Starts the running softmax of a query tile. */
  start(head: number): void
  /** Takes the key and value tile on the chip into the softmax of the query tile on the chip. */
  absorb(batch: number, head: number, queryBlock: number, keyBlock: number, full: boolean): void
  /** Divides the weighted sums on the chip by the sums of the softmax. */
  normalize(): void
  /** The inverse, for rows that were stored normalised and go on. */
  unnormalize(): void
  /** Makes logSumExp of the rows' maximum and sum on the chip. */
  finish(): void
}

/** Runs the forward pass of one head. */
export function forwardSchedule(
  order: LoopOrder,
  tiling: Tiling,
  chip: ForwardChip,
  batch: number,
  head: number,
): void {
  if (order === 'queries-outside') queriesOutside(tiling, chip, batch, head)
  else keysOutside(tiling, chip, batch, head)
}

/** FlashAttention-2: every output tile is stored once, keys and values are loaded for each. */
function queriesOutside(tiling: Tiling, chip: ForwardChip, b: number, h: number): void {
  const { query, key, value, output, logSumExp } = chip
  for (let i = 0; i < tiling.queryBlocks; i++) {
    query.load(b, h, i)
    chip.start(h)
    for (const { block: j, full } of tiling.keyTiles(b, h, i)) {
      key.load(b, h, j)
      value.load(b, h, j)
      chip.absorb(b, h, i, j, full)
    }
    chip.normalize()
    output.store(b, h, i)
    chip.finish()
    logSumExp.store(b, h, i)
  }
}

/** FlashAttention: keys and values are loaded once, partial outputs come and go for each key tile. */
function keysOutside(tiling: Tiling, chip: ForwardChip, b: number, h: number): void {
  const { query, key, value, output, rowMaximum, rowSum, logSumExp } = chip
  for (let j = 0; j < tiling.keyBlocks(b); j++) {
    const tiles = tiling.queryTiles(b, h, j)
    if (tiles.length === 0) continue
    key.load(b, h, j)
    value.load(b, h, j)
    for (const { block: i, full } of tiles) {
      query.load(b, h, i)
      output.load(b, h, i)
      rowMaximum.load(b, h, i)
      rowSum.load(b, h, i)
      chip.unnormalize()
      chip.absorb(b, h, i, j, full)
      chip.normalize()
      output.store(b, h, i)
      rowMaximum.store(b, h, i)
      rowSum.store(b, h, i)
    }
  }
  for (let i = 0; i < tiling.queryBlocks; i++) {
    rowMaximum.load(b, h, i)
    rowSum.load(b, h, i)
    chip.finish()
    logSumExp.store(b, h, i)
  }
}
