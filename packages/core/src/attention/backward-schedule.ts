// In which order tiles come and go in the backward pass. P is computed again from logSumExp, so neither
// S nor P is among them. Keys outside (FlashAttention-2, arXiv 2307.08691, algorithm 2): D = rowsum(dO *
// O) first, then the gradient of each key tile is finished on the chip while those of the queries come
// and go. Queries outside, the other way round, moves two gradients instead of one for each tile, which
// is why nobody does it.
import type { LoopOrder, TileMoves } from './schedule.ts'
import type { Tiling } from './tiling.ts'

/** The tiles that are on the chip at one time in the backward pass, and what computes with them. */
export interface BackwardChip {
  readonly query: TileMoves
  readonly output: TileMoves
  readonly dOutput: TileMoves
  readonly logSumExp: TileMoves
  /** D = rowsum(dO * O), which is also the sum of P dP over the row. */
  readonly delta: TileMoves
  readonly dQuery: TileMoves
  readonly key: TileMoves
  readonly value: TileMoves
  readonly dKey: TileMoves
  readonly dValue: TileMoves
  /** Whether this head is the first of those that share its keys: their gradients begin at 0. */
  startsGroup(head: number): boolean
  /** Fills the delta tile from the output tile and its gradient. */
  rowProducts(): void
  /** Adds to the gradient of the head's sink; undefined where no head has one. */
  readonly absorbSink: ((head: number, queryBlock: number) => void) | undefined
  /** Sets the key and value gradients on the chip to 0. */
  clearKeys(): void
  /** Sets the query gradient on the chip to 0. */
  clearQueries(): void
  /** Adds what one tile of S contributes to the gradients on the chip. */
  differentiate(
    batch: number,
    head: number,
    queryBlock: number,
    keyBlock: number,
    full: boolean,
  ): void
}

/** Runs the backward pass of one head. */
export function backwardSchedule(
  order: LoopOrder,
  tiling: Tiling,
  chip: BackwardChip,
  batch: number,
  head: number,
): void {
  if (order === 'keys-outside') keysOutside(tiling, chip, batch, head)
  else queriesOutside(tiling, chip, batch, head)
}

function keysOutside(tiling: Tiling, chip: BackwardChip, b: number, h: number): void {
  const { query, output, dOutput, logSumExp, delta, dQuery, key, value, dKey, dValue } = chip
  for (let i = 0; i < tiling.queryBlocks; i++) {
    output.load(b, h, i)
    dOutput.load(b, h, i)
    chip.rowProducts()
    delta.store(b, h, i)
    if (!chip.absorbSink) continue
    logSumExp.load(b, h, i)
    chip.absorbSink(h, i)
  }
  for (let j = 0; j < tiling.keyBlocks(b); j++) {
    const queryTiles = tiling.queryTiles(b, h, j)
    if (queryTiles.length === 0) continue
    key.load(b, h, j)
    value.load(b, h, j)
    if (chip.startsGroup(h)) {
      chip.clearKeys()
    } else {
      dKey.load(b, h, j)
      dValue.load(b, h, j)
    }
    for (const { block: i, full } of queryTiles) {
      query.load(b, h, i)
      dOutput.load(b, h, i)
      logSumExp.load(b, h, i)
      delta.load(b, h, i)
      dQuery.load(b, h, i)
      chip.differentiate(b, h, i, j, full)
      dQuery.store(b, h, i)
    }
    dKey.store(b, h, j)
    dValue.store(b, h, j)
  }
}

function queriesOutside(tiling: Tiling, chip: BackwardChip, b: number, h: number): void {
  const { query, output, dOutput, logSumExp, dQuery, key, value, dKey, dValue } = chip
  for (let i = 0; i < tiling.queryBlocks; i++) {
    query.load(b, h, i)
    output.load(b, h, i)
    dOutput.load(b, h, i)
    logSumExp.load(b, h, i)
    chip.rowProducts()
    chip.absorbSink?.(h, i)
    chip.clearQueries()
    for (const { block: j, full } of tiling.keyTiles(b, h, i)) {
      key.load(b, h, j)
      value.load(b, h, j)
      dKey.load(b, h, j)
      dValue.load(b, h, j)
      chip.differentiate(b, h, i, j, full)
      dKey.store(b, h, j)
      dValue.store(b, h, j)
    }
    dQuery.store(b, h, i)
  }
}
