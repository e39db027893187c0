// The softmax between the two products: scores in workgroup memory become float16 probabilities there,
// relative to the references. There is no maximum to follow and no branch: sums say whether all went well.
import type { ForwardMatrixConfig } from './config.ts'
import { whereHidden } from './hidden-pairs.ts'
import { countedQuery } from '../../tile/dropout.ts'
import { eachLaneRow, laneVector, pastFirst, rowStep } from './lane-rows.ts'
import { takeScores } from './lane-scores.ts'
import { eachLaneVector, laneNames } from './lane-vectors.ts'
import { keyTokenAt } from './tokens.ts'

/** Scores of a tile to probabilities; adds to `sum{r}`, and raises `largest`. */
export function tileProbabilities(config: ForwardMatrixConfig): string {
  const { tile } = config
  return [
    tileShares(config),
    config.dropout ? thinned(config) : '',
    eachLaneVector(
      config,
      (r, j) =>
        `probabilities[subgroup][ownRow${r} * probabilityStride + ${laneVector(tile, j)}] = vec4<${tile.operands}>(share${r}_${j});`,
    ),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/**
 * Declares `share{r}_{j}`, the probabilities of a tile; adds to `sum{r}`, and raises `largest`.
 *
 * @param exponent - Text of the exponents of a vector, given its scores and row. Default: relative to `reference{r}`.
 */
export function tileShares(
  config: ForwardMatrixConfig,
  exponent = (score: string, r: number): string =>
    `fma(${score}, vec4<f32>(exponentScale), vec4<f32>(-reference${r}))`,
): string {
  const { tile } = config
  const tileSum = (r: number): string =>
    `dot(${laneNames(config, 'share', r).reduce((a, b) => `(${a} + ${b})`)}, vec4<f32>(1.0))`
  const sums = Array.from({ length: tile.rowsPerLane }, (_, r) => `tileSum${r}`)
  return [
    takeScores(config),
    eachLaneVector(
      config,
      (r, j) => `var share${r}_${j} = exp2(${exponent(`score${r}_${j}`, r)});`,
    ),
    whereHidden(config, (hidden) =>
      eachLaneVector(
        config,
        (r, j) => `share${r}_${j} = select(share${r}_${j}, vec4<f32>(0.0), ${hidden(r, j)});`,
      ),
    ),
    eachLaneRow(tile, (r) => `let tileSum${r} = ${tileSum(r)};\nsum${r} += tileSum${r};`),
    `largest = max(largest, ${sums.reduce((a, b) => `max(${a}, ${b})`)});`,
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** Dropout, once the sums have been taken: it thins the weights and not the softmax. */
export function thinned(config: ForwardMatrixConfig): string {
  const { tile, rules, tokens } = config
  const counted = countedQuery(rules.countsWithin)
  return eachLaneVector(config, (r, j) => {
    const keys = [0, 1, 2, 3].map((k) =>
      keyTokenAt(config, `firstKey + column + ${pastFirst(tile, j, k)}u`),
    )
    const query =
      tokens === undefined
        ? `${counted} + ${r * rowStep(tile)}`
        : `queryOffset + i32(min(queryRow${r}, lastQuery))`
    return `share${r}_${j} *= dropoutWeights(batch * params.heads + head, vec4<u32>(u32(${query})), vec4<u32>(${keys.join(', ')}));`
  })
}
