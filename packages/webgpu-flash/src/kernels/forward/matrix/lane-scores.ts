// The scores that a lane takes from workgroup memory, and what happens to them before the softmax: scale
// and score modifiers, and which of them count. Exponents are powers of two, which GPUs compute.
import { changeStatements } from '../../../codegen/score-change.ts'
import type { HeldScore } from '../../../codegen/score-change.ts'
import { indent, unroll } from '../../../codegen/snippets.ts'
import type { ForwardMatrixConfig } from './forward-matrix.wgsl.ts'
import { takeHalfScores } from './half-scores.ts'
import type { ScoreRules } from '../../../codegen/snippets.ts'
import { laneVector, pastFirst, rowStep } from './lane-rows.ts'
import { eachLaneVector, laneNames, laneVectors } from './lane-vectors.ts'
import { keyTokenAt, pairOf, querySlot, queryTokenAt } from './tokens.ts'

/** Whether score modifiers want scores as they are. */
export function changesScores({ change, pairwise = [] }: ScoreRules): boolean {
  return change !== undefined || pairwise.length > 0
}

/** Declares `score{r}_{j}`, such that `exponentScale` times it is the exponent of 2. */
export function takeScores(config: ForwardMatrixConfig): string {
  const { tile, rules } = config
  const { change } = rules
  const scale = changesScores(rules) ? ` * ${config.scoreScale ?? 'scale'}` : ''
  const taken =
    tile.sums === 'f16'
      ? takeHalfScores(config, scale)
      : eachLaneVector(
          config,
          (r, j) =>
            `var score${r}_${j} = scores[subgroup][ownRow${r} * scoreStride + ${laneVector(tile, j)}]${scale};`,
        )
  if (!change) return changesScores(rules) ? `${taken}\n${changeInPairs(config)}` : taken
  const held = Array.from({ length: tile.rowsPerLane }, (_, r) =>
    laneNames(config, 'score', r).flatMap((name, j) =>
      [0, 1, 2, 3].map((k): HeldScore => ({
        score: `${name}.${'xyzw'[k]}`,
        pastQuery: r * rowStep(tile),
        pastKey: pastFirst(tile, j, k),
      })),
    ),
  )
  const text = `let keyPosition = i32(firstKey + column);\n${changeStatements(change, held.flat())}`
  return `${taken}\n{\n${indent(text, 2)}\n}`
}

/** Where tokens stand in an order of their own each pair names itself. */
function changeInPairs(config: ForwardMatrixConfig): string {
  const { tile, rules } = config
  return eachLaneVector(config, (r, j) =>
    unroll(4, (k) => {
      const score = `score${r}_${j}.${'xyzw'[k]}`
      const key = keyTokenAt(config, `firstKey + column + ${pastFirst(tile, j, k)}u`)
      const pair = pairOf(`min(queryRow${r}, lastQuery)`, key)
      return rules.pairwise!.map((name) => `${score} = ${name}(${score}, ${pair});`).join('\n')
    }),
  )
}

/** The constant or variable that makes exponents of the scores: modifiers want them scaled before. */
export function declareExponentScale({ rules, scoreScale }: ForwardMatrixConfig): string {
  return `let exponentScale = ${changesScores(rules) ? 'log2e' : `${scoreScale ?? 'scale'} * log2e`};`
}

/**
 * Runs `apply(hidden)` where a tile is not full; `hidden(r, j)` is a condition on the elements of a
 * vector. Pairs are asked in a loop: masks are long, and text is compiled as often as drivers unroll.
 */
export function whereHidden(
  config: ForwardMatrixConfig,
  apply: (hidden: (r: number, j: number) => string) => string,
): string {
  const { tile, rules, wholeTiles } = config
  if (wholeTiles) return ''
  const perRow = 4 * laneVectors(config)
  const count = perRow * tile.rowsPerLane
  const own = tile.rowsPerLane === 1 ? 'pair' : `(pair % ${perRow}u)`
  const past = `(${own} >> 2u) * ${4 * tile.lanesPerRow}u + (${own} & 3u)`
  const pastQuery = tile.rowsPerLane === 1 ? '0' : `i32(pair / ${perRow}u * ${rowStep(tile)}u)`
  const ordered = config.tokens !== undefined
  const place = ordered
    ? pairOf('query', 'key')
    : `i32(batch), i32(head), position + ${pastQuery}, queryIndex + ${pastQuery}, i32(key)`
  const visible = rules.hasMask ? ` && visible(${place})` : ''
  const ownRow =
    tile.rowsPerLane === 1 ? 'ownRow0' : `ownRow0 + pair / ${perRow}u * ${rowStep(tile)}u`
  const query =
    ordered && rules.hasMask
      ? `let query = min(${queryTokenAt(config, querySlot(config, ownRow))}, lastQuery);\n    `
      : ''
  const bits = (r: number, j: number): string =>
    [0, 1, 2, 3].map((k) => `${2 ** (r * perRow + 4 * j + k)}u`).join(', ')
  return `if (!full) {
  var shown = 0u;
  for (var pair = 0u; pair < ${count}u; pair++) {
    ${query}let key = ${keyTokenAt(config, `firstKey + column + ${past}`)};
    if (key < keyCount${visible}) { shown |= 1u << pair; }
  }
${indent(
  apply((r, j) => `(vec4<u32>(shown) & vec4<u32>(${bits(r, j)})) == vec4<u32>(0u)`),
  2,
)}
}`
}
