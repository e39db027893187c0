// What lanes do between the two rounds of products (FlashAttention-2, arXiv 2307.08691, algorithm 2):
// from S and dP in workgroup memory to P and dS there. Exponentials are powers of two, since that is
// what the hardware has. Where float16 is enough, the scale of P is part of the exponent, for which it costs no
// instruction; where it is not, scores and log-sum-exp are compared in their own unit first, since the difference of
// two large exponents loses bits. The scale of dS is part of dP and D.
import type { GradientRules } from '../../../codegen/gradient-rules.ts'
import { indent, unroll } from '../../../codegen/snippets.ts'
import { laneVector } from '../../forward/matrix/lane-rows.ts'
import type { LaneRows } from '../../forward/matrix/lane-rows.ts'
import { eachScore, ownColumnVectors, ownRows } from '../../tile/grid.ts'
import {
  applySlopes,
  dropoutText,
  hideScores,
  modifyScores,
  pairSteps,
  startSlopes,
} from '../../tile/pair-gradient.ts'
import type { PairGrid } from '../../tile/pair-gradient.ts'

/** What lanes work on, and where it lies. */
export interface PairWork {
  readonly rowTokens: PairGrid['rowTokens']
  readonly rules: GradientRules
  readonly dropout: boolean
  /** How rows and vectors are dealt to the lanes. */
  readonly lanes: LaneRows
  readonly grid: PairGrid
  /** Whether P is as exact as float32: of a row that sees one key it is 1. */
  readonly exact: boolean
  /** Text of the factor on dP, whose product with it is scaled as dS is. */
  readonly gradientFactor: string
  /** Text of a vector of S, and of dP, of a lane's row i. */
  score(i: number, vector: string): string
  gradient(i: number, vector: string): string
  /** Statements that hand the vectors `score{i}_{j}`, P, and `gradient{i}_{j}`, dS, to the matrices. */
  store(i: number, j: number, vector: string): string
}

/** Declares log-sum-exp and D of a lane's own queries, once. */
export function ownStatistics({ lanes, rowTokens, exact }: PairWork): string {
  if (rowTokens === 'keys') return ''
  return unroll(
    lanes.rowsPerLane,
    (r) => `let softmaxRow${r} = softmaxRow(batch, head, firstQuery + ownRow${r});
let logSumExp${r} = ${subtrahend(`softmaxRow${r}.x`, exact)};
let delta${r} = softmaxRow${r}.y * gradientScale;`,
  )
}

/** Text of what is subtracted for log-sum-exp: of natural scores, or of exponents of what P is multiplied by. */
export const subtrahend = (logSumExp: string, exact: boolean): string =>
  exact ? logSumExp : `${logSumExp} * log2e - weightBits`

/** P and dS of the tile whose scores are in memory; `place` is where its queries' statistics lie. */
export function pairWeights(work: PairWork, place: string): string {
  const { lanes, rules, rowTokens, grid, exact } = work
  const vectors = ownColumnVectors(grid)
  const ofKeys = rowTokens === 'keys'
  const each = (line: (i: number, j: number) => string): string =>
    unroll(ownRows(grid), (i) => unroll(vectors, (j) => line(i, j)))
  const loads = each((i, j) => {
    const vector = laneVector(lanes, j)
    return `var score${i}_${j} = ${work.score(i, vector)};\nvar gradient${i}_${j} = ${work.gradient(i, vector)};`
  })
  const statistics = ofKeys
    ? unroll(vectors, (j) => {
        const vector = laneVector(lanes, j)
        return `let logSumExp${j} = statistics[${place}][${vector}];
let delta${j} = statistics[${place}][${vector} + ${grid.tileColumns / 4}u];`
      })
    : ''
  const logSumExp = (i: number, j: number): string =>
    ofKeys ? `logSumExp${j}` : `vec4<f32>(logSumExp${i})`
  // A natural score, or one as a power of two, less log-sum-exp.
  const exponents = rules.hasModifiers
    ? `${eachScore(grid, 'score', (score) => `${score} *= scale;`)}
${modifyScores(grid, rules)}
${each((i, j) => {
  const clamped = `clamp(score${i}_${j}, vec4<f32>(hidden), vec4<f32>(-hidden))`
  return exact
    ? `score${i}_${j} = ${clamped} - ${logSumExp(i, j)};`
    : `score${i}_${j} = fma(${clamped}, vec4<f32>(log2e), -${logSumExp(i, j)});`
})}`
    : each(
        (i, j) =>
          `score${i}_${j} = fma(score${i}_${j}, vec4<f32>(${exact ? 'scale' : 'scaleOfPower'}), -${logSumExp(i, j)});`,
      )
  return [
    pairOrigin(work),
    statistics,
    loads,
    startSlopes(grid, rules),
    exponents,
    `if (!full) {\n${hideScores(grid, rules)}\n}`,
    eachScore(grid, 'score', (score) =>
      exact ? `${score} = exp2(${score} * log2e) * weightScale;` : `${score} = exp2(${score});`,
    ),
    gradients(work),
    applySlopes(grid, rules),
    each((i, j) => work.store(i, j, laneVector(lanes, j))),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** Declares the tokens of a lane's first column; those of its first row are declared outside the loop. */
function pairOrigin({ rowTokens }: PairWork): string {
  if (rowTokens === 'queries') return `let keyIndex = columnTile * tileColumns + 4u * part;`
  return `let queryIndex = i32(columnTile * tileColumns + 4u * part);
let position = queryOffset + queryIndex;`
}

/** Declares the tokens of a lane's first row. */
export function ownOrigin({ rowTokens }: Pick<PairWork, 'rowTokens'>): string {
  if (rowTokens === 'keys') return 'let keyIndex = firstKey + ownRow0;'
  return `let queryIndex = i32(firstQuery + ownRow0);
let position = queryOffset + queryIndex;`
}

/** DP to dS, given P; with dropout P is thinned after use, as dV needs it. */
function gradients({ rules, dropout, rowTokens, grid, gradientFactor }: PairWork): string {
  const delta = (i: number, j: number): string =>
    rowTokens === 'keys' ? `delta${j}` : `vec4<f32>(delta${i})`
  const each = (line: (i: number, j: number) => string): string =>
    unroll(ownRows(grid), (i) => unroll(ownColumnVectors(grid), (j) => line(i, j)))
  const scaled = each((i, j) => {
    const [score, gradient] = [`score${i}_${j}`, `gradient${i}_${j}`]
    const text = (product: string): string =>
      `${gradient} = ${score} * fma(${product}, vec4<f32>(${gradientFactor}), -${delta(i, j)});`
    if (!dropout) return text(gradient)
    const steps = [0, 1, 2, 3].map((k) => pairSteps(grid, i, j, k))
    return `let kept${i}_${j} = ${dropoutText(steps, rules.countsWithin)};
${text(`${gradient} * kept${i}_${j}`)}`
  })
  // No probability, no gradient: hidden rows may hold anything.
  const hide = each((i, j) => {
    const [score, gradient] = [`score${i}_${j}`, `gradient${i}_${j}`]
    return `${gradient} = select(${gradient}, vec4<f32>(0.0), ${score} == vec4<f32>(0.0));`
  })
  return [
    scaled,
    `if (!full) {\n${indent(hide, 2)}\n}`,
    dropout ? each((i, j) => `score${i}_${j} *= kept${i}_${j};`) : '',
  ]
    .filter((part) => part !== '')
    .join('\n')
}
