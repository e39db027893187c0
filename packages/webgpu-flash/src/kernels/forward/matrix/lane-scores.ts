// The scores that a lane takes from workgroup memory, and what happens to them before the softmax: scale
// and score modifiers. Exponents are powers of two, which GPUs compute.
import { changeStatements } from '../../../codegen/score-change.ts'
import type { HeldScore, ScoreChange } from '../../../codegen/score-change.ts'
import { indent, unroll } from '../../../codegen/snippets.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { takeHalfScores } from './half-scores.ts'
import type { ScoreRules } from '../../../codegen/snippets.ts'
import { laneVector, pastFirst, rowStep } from './lane-rows.ts'
import { eachLaneVector, laneNames } from './lane-vectors.ts'
import { keyTokenAt, pairOf } from './tokens.ts'

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
  const changed = change
    ? changeAtOnce(config, change)
    : changesScores(rules)
      ? changeInPairs(config)
      : ''
  const bounded = config.hugeScores ? boundScores(config) : ''
  return [taken, changed, bounded].filter((text) => text !== '').join('\n')
}

/** Keys that are neighbours share what they look up. */
function changeAtOnce(config: ForwardMatrixConfig, change: ScoreChange): string {
  const { tile } = config
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
  return `{\n${indent(text, 2)}\n}`
}

/**
 * Scores near the lowest float32 become -2^127: a power of two, so that what it is as an exponent of 2, with and
 * without a reference taken off, is a float. -Infinity stays, which hides a pair, and so does NaN.
 */
function boundScores(config: ForwardMatrixConfig): string {
  return eachLaneVector(config, (r, j) => {
    const score = `score${r}_${j}`
    return `${score} = select(${score}, vec4<f32>(lowestScore), (${score} < vec4<f32>(lowestScore)) & (bitcast<vec4<u32>>(${score}) != vec4<u32>(bitcast<u32>(params.negativeInfinity))));`
  })
}

/** The constant of bounded scores; see `boundScores` and the end of a row. */
export const lowestScore: string = /* wgsl */ `const lowestScore = -1.7014118346046923e38;`

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
