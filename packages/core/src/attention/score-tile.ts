// One tile of the score matrix: products of a tile of queries with a tile of keys, scaled, masked
// and modified. The forward pass computes it once, the backward pass again.
import type { PairRules } from './pair-rules.ts'
import type { TileRegion } from './tiling.ts'

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

/** Fills `weights` with the factors of dropout on the tile's probabilities, `[rows, columns]`. */
export function computeWeights(weights: Float64Array, region: TileRegion, rules: PairRules): void {
  const { batch, head, queryStart, rows, keyStart, columns } = region
  for (let r = 0; r < rows; r++) {
    rules.atQuery(batch, head, queryStart + r)
    for (let c = 0; c < columns; c++) weights[r * columns + c] = rules.weight(keyStart + c)
  }
}
