// The arithmetic of one tile of the backward pass, on the tiles that are on the chip.
import type { AttentionShape, ResolvedAttention } from './options.ts'
import type { PairGradients } from './pair-gradients.ts'
import { pairRules } from './pair-rules.ts'
import { computeScores, computeWeights } from './score-tile.ts'
import type { TileBuffer } from './tile.ts'
import type { Tiling } from './tiling.ts'

/** The tiles on the chip: the first seven of a query tile's rows, the others of a key tile's. */
export interface GradientTiles {
  readonly query: TileBuffer
  readonly output: TileBuffer
  readonly dOutput: TileBuffer
  readonly logSumExp: TileBuffer
  /** D = rowsum(dO * O), which is also the sum of P dP over the row. */
  readonly delta: TileBuffer
  readonly dQuery: TileBuffer
  readonly key: TileBuffer
  readonly value: TileBuffer
  readonly dKey: TileBuffer
  readonly dValue: TileBuffer
}

/** Fills the delta tile from the output tile and its gradient. */
export function rowProducts({ output, dOutput, delta }: GradientTiles, valueDim: number): void {
  for (let r = 0; r < delta.values.length; r++) {
    delta.values[r] = dot(output.values, r * valueDim, dOutput.values, r * valueDim, valueDim)
  }
}

/** Gradient of a head's sink from one query tile: a score whose dP is 0. */
export function sinkGradient(
  { logSumExp, delta }: GradientTiles,
  sink: number,
  rows: number,
): number {
  if (sink === -Infinity) return 0
  let gradient = 0
  for (let r = 0; r < rows; r++) {
    gradient -= Math.exp(sink - logSumExp.values[r]!) * delta.values[r]!
  }
  return gradient
}

/** Adds what one tile of S contributes to dQuery, dKey, dValue and the tables. */
export type TileDifferentiator = (...tile: Parameters<Tiling['region']>) => void

/** Prepares {@link TileDifferentiator}. */
export function tileDifferentiator(
  shape: AttentionShape,
  resolved: ResolvedAttention,
  tiling: Tiling,
  tiles: GradientTiles,
  modifiers: PairGradients,
): TileDifferentiator {
  const { headDim, valueDim } = shape
  const { scale } = resolved
  const rules = pairRules(shape, resolved)
  const modified = resolved.scoreModifiers.length > 0
  const scores = new Float64Array(tiling.queryBlockSize * tiling.keyBlockSize)
  const weights = resolved.dropout && new Float64Array(scores.length)
  const [q, k, v, dO] = [tiles.query, tiles.key, tiles.value, tiles.dOutput].map(
    ({ values }) => values,
  ) as [Float64Array, Float64Array, Float64Array, Float64Array]
  const [dQ, dK, dV] = [tiles.dQuery, tiles.dKey, tiles.dValue].map(({ values }) => values) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]

  return (batch, head, queryBlock, keyBlock, full) => {
    const region = tiling.region(batch, head, queryBlock, keyBlock, full)
    const { queryStart, rows, keyStart, columns } = region
    computeScores(scores, q, k, region, headDim, scale, rules)
    if (weights) computeWeights(weights, region, rules)
    for (let r = 0; r < rows; r++) {
      const logSumExp = tiles.logSumExp.values[r]!
      const delta = tiles.delta.values[r]!
      const [qRow, oRow] = [r * headDim, r * valueDim]
      for (let c = 0; c < columns; c++) {
        const score = scores[r * columns + c]!
        if (score === -Infinity) continue // Its value may be padding, even NaN.
        const [kRow, vRow] = [c * headDim, c * valueDim]
        const probability = Math.exp(score - logSumExp)
        const weight = weights ? weights[r * columns + c]! : 1

        addScaled(dV, vRow, weight * probability, dO, oRow, valueDim)
        const dP = weight * dot(dO, oRow, v, vRow, valueDim)
        const dS = probability * (dP - delta)

        const product = modified ? dot(q, qRow, k, kRow, headDim) * scale : 0
        const [i, j] = [queryStart + r, keyStart + c]
        const dProduct = scale * modifiers.backward(batch, head, i, j, product, dS)
        addScaled(dQ, qRow, dProduct, k, kRow, headDim)
        addScaled(dK, kRow, dProduct, q, qRow, headDim)
      }
    }
  }
}

function dot(a: Float64Array, i: number, b: Float64Array, j: number, length: number): number {
  let sum = 0
  for (let d = 0; d < length; d++) sum += a[i + d]! * b[j + d]!
  return sum
}

/** to[i ..] += factor * from[j ..]. */
function addScaled(
  to: Float64Array,
  i: number,
  factor: number,
  from: Float64Array,
  j: number,
  length: number,
): void {
  for (let d = 0; d < length; d++) to[i + d]! += factor * from[j + d]!
}
