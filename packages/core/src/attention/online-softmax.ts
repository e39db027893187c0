// The softmax of a row whose scores arrive tile by tile (Milakov and Gimelshein, arXiv 1805.02867),
// with the weighted sum of values carried along: whenever a larger score turns up, everything summed
// so far is rescaled to it. The sum is divided out once, at the end (FlashAttention-2, arXiv
// 2307.08691, section 3.1.1).

/** Running softmax of a tile of rows. */
export interface OnlineSoftmax {
  /** Largest score so far, a row. -Infinity where nothing was visible yet. */
  readonly maximum: Float64Array
  /** Sum of exp(score - maximum), a row. */
  readonly sum: Float64Array
  /** Sum of exp(score - maximum) times value, `[rows, Dv]`: not divided by `sum`. */
  readonly weighted: Float64Array
}

/** Room for `rows` rows; call `resetSoftmax` before use. */
export function createSoftmax(rows: number, valueDim: number): OnlineSoftmax {
  return {
    maximum: new Float64Array(rows),
    sum: new Float64Array(rows),
    weighted: new Float64Array(rows * valueDim),
  }
}

/** The state of rows that have seen nothing but a sink, or not even that (-Infinity). */
export function resetSoftmax(state: OnlineSoftmax, sink: number): void {
  state.maximum.fill(sink)
  state.sum.fill(sink === -Infinity ? 0 : 1)
  state.weighted.fill(0)
}

/**
 * Takes in one more tile of scores and the values that belong to its columns.
 *
 * @param scores - `[rows, columns]`; -Infinity is hidden.
 * @param weights - `[rows, columns]`, factors of dropout on the way to the values but not to the sum.
 * @param values - `[columns, Dv]`.
 */
export function absorbTile(
  state: OnlineSoftmax,
  scores: Float64Array,
  weights: Float64Array | undefined,
  values: Float64Array,
  { rows, columns }: { readonly rows: number; readonly columns: number },
  valueDim: number,
): void {
  const { maximum, sum, weighted } = state
  for (let r = 0; r < rows; r++) {
    const sRow = r * columns
    const oRow = r * valueDim
    const previous = maximum[r]!
    let largest = previous
    for (let c = 0; c < columns; c++) largest = Math.max(largest, scores[sRow + c]!)
    // While nothing is visible both are -Infinity, whose difference would be NaN.
    if (largest !== previous) {
      const rescale = Math.exp(previous - largest) // 0 for the first visible tile.
      sum[r]! *= rescale
      for (let d = 0; d < valueDim; d++) weighted[oRow + d]! *= rescale
      maximum[r] = largest
    }
    for (let c = 0; c < columns; c++) {
      const score = scores[sRow + c]!
      if (score === -Infinity) continue // Its value may be padding, even NaN.
      const exponential = Math.exp(score - largest)
      sum[r]! += exponential
      const weight = weights ? exponential * weights[sRow + c]! : exponential
      const vRow = c * valueDim
      for (let d = 0; d < valueDim; d++) weighted[oRow + d]! += weight * values[vRow + d]!
    }
  }
}

/** Divides the weighted sums by the sums: the outputs of the rows, 0 where nothing was visible. */
export function normalizeRows(state: OnlineSoftmax): void {
  scaleRows(state, (sum) => (sum === 0 ? 0 : 1 / sum))
}

/** The inverse, for rows that were stored normalised and go on. */
export function unnormalizeRows(state: OnlineSoftmax): void {
  scaleRows(state, (sum) => sum)
}

function scaleRows({ sum, weighted }: OnlineSoftmax, factorOf: (sum: number) => number): void {
  const valueDim = weighted.length / sum.length
  for (let r = 0; r < sum.length; r++) {
    const factor = factorOf(sum[r]!)
    for (let d = 0; d < valueDim; d++) weighted[r * valueDim + d]! *= factor
  }
}

/** log of the sum of exp(score), a row; -Infinity where nothing was visible. */
export function rowLogSumExp({ maximum, sum }: OnlineSoftmax, result: Float64Array): void {
  for (let r = 0; r < sum.length; r++) {
    result[r] = sum[r] === 0 ? -Infinity : maximum[r]! + Math.log(sum[r]!)
  }
}
