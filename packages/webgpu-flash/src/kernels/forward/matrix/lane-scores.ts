// The scores that a lane takes from workgroup memory, and what happens to them before the softmax: scale
// and score modifiers. Exponents are powers of two, which GPUs compute.
import { changeStatements } from '../../../codegen/score-change.ts'
import type { HeldScore } from '../../../codegen/score-change.ts'
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
