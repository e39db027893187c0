// One tile of the score matrix: products of a tile of queries with a tile of keys, scaled, masked
// and modified. The forward pass computes it once, the backward pass again.
import type { PairRules } from './pair-rules.ts'

/** Which rectangle of the score matrix of one head a tile is. */
export interface TileRegion {
  readonly batch: number
  readonly head: number
  /** Rows `queryStart .. queryStart + rows - 1` of the query tensor. */
  readonly queryStart: number
  readonly rows: number
  /** Rows `keyStart .. keyStart + columns - 1` of the key tensor. */
  readonly keyStart: number
  readonly columns: number
  /** Whether the mask allows every pair in it. */
  readonly full: boolean
}

/**
 * Fills `scores` with the tile `[rows, columns]`: -Infinity where hidden.
 *
 * @param queries - `[rows, D]`.
 * @param keys - `[columns, D]`.
 */
export function computeScores(
  scores: Float64Array,
  queries: Float64Array,
  keys: Float64Array,
  region: TileRegion,
  headDim: number,
  scale: number,
  rules: PairRules,
): void {
  const { batch, head, queryStart, rows, keyStart, columns, full } = region
  for (let r = 0; r < rows; r++) {
    rules.atQuery(batch, head, queryStart + r)
    const qRow = r * headDim
    for (let c = 0; c < columns; c++) {
      let score = -Infinity
      if (full || rules.visible(keyStart + c)) {
        const kRow = c * headDim
        let product = 0
        for (let d = 0; d < headDim; d++) product += queries[qRow + d]! * keys[kRow + d]!
        score = rules.modify(product * scale, keyStart + c)
      }
      scores[r * columns + c] = score
    }
  }
}
