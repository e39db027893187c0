// How sums leave the matrices where lanes hold all of them before the first is written: in passes that go on with what an
// earlier one wrote, and of rows that meet few tokens, where the end is much of a workgroup's time. A lane has the same
// few rows of every gradient, so that it asks once for each whether it exists, and where it lies. What earlier passes have
// summed is on its way while sums cross memory; in the end it would be waited for as long as many tiles take.
import { capitalized, indent, unroll } from '../../../codegen/snippets.ts'
import { subgroupRows } from '../../../plan/backward/gradient-matrix-tile.ts'
import { gradientRow, tokenText } from '../slots.ts'
import { castRoles } from './roles.ts'
import type { GradientMatrixConfig, GradientSum } from './roles.ts'
import {
  checkSums,
  eachStepMatrix,
  isUnrolled,
  startCheck,
  stepsOf,
  summedBefore,
  tellStrange,
} from './sum-steps.ts'
import type { Rows } from './sum-steps.ts'

/** Whether lanes hold the sums. */
export const holdsSums = (config: GradientMatrixConfig): boolean =>
  (config.continues || config.tile.fewTokens === true) && isUnrolled(config)

/** One step of a gradient or two, which cross the memory of S and that of dP between the same barriers. */
interface Round {
  readonly sum: GradientSum
  readonly first: number
  readonly width: 1 | 2
}

const rounds = (config: GradientMatrixConfig): Round[] =>
  castRoles(config).sums.flatMap((sum) => {
    const steps = stepsOf(config, sum)
    return Array.from({ length: Math.ceil(steps / 2) }, (_, n): Round => ({
      sum,
      first: 2 * n,
      width: 2 * n + 1 < steps ? 2 : 1,
    }))
  })

/** Vectors of a row in so many steps. */
const vectorsOf = ({ tile }: GradientMatrixConfig, width: number): number =>
  (width * tile.columns) / 4

/** Text of a line for a lane's vector of a round, under a condition where some of the round's are past the gradient's last. */
function withinDims(
  config: GradientMatrixConfig,
  { sum, first, width }: Round,
  vector: number,
  line: string,
): string {
  const left = sum.dims / 4 - vectorsOf(config, first)
  return left >= vectorsOf(config, width)
    ? line
    : `if (vector${width}_${vector} < ${left}u) { ${line} }`
}

/** Vectors that a lane has of a round, each of another row. */
const laneVectors = (config: GradientMatrixConfig, width: number): number =>
  Math.ceil((subgroupRows(config.tile) * vectorsOf(config, width)) / config.tile.subgroupSize)

/** A lane's registers: what an earlier pass summed, and its own sums. */
const before = ({ sum, first }: Round, vector: number): string =>
  `${sum.name}Before${first}_${vector}`
const own = ({ sum, first }: Round, vector: number): string => `${sum.name}Own${first}_${vector}`

/** The widths of rounds, each with how many vectors a lane has. */
const widths = (config: GradientMatrixConfig): { width: number; vectors: number }[] =>
  [...new Set(rounds(config).map(({ width }) => width))].map((width) => ({
    width,
    vectors: laneVectors(config, width),
  }))

/** Declares a lane's rows in rounds of each width, and which vector of them it has in those: lanes have neighbouring ones. */
function declareRows(config: GradientMatrixConfig, { first, last }: Rows): string {
  const { tile, rules, rowTokens } = config
  return widths(config)
    .map(({ width, vectors }) => {
      const ofRow = vectorsOf(config, width)
      const units = subgroupRows(tile) * ofRow
      return unroll(vectors, (v) => {
        const unit = v === 0 ? 'lane' : `(lane + ${v * tile.subgroupSize}u)`
        const token = tokenText(rules, rowTokens, `${first} + row${width}_${v}`)
        const whole = (v + 1) * tile.subgroupSize <= units
        return `let row${width}_${v} = ${unit} / ${ofRow}u;
let vector${width}_${v} = ${unit} % ${ofRow}u;
let exists${width}_${v} = ${token} <= ${last}${whole ? '' : ` && ${unit} < ${units}u`};`
      })
    })
    .join('\n')
}

/**
 * A line for each vector of a lane's rows that exist, in the scope of where the row of a tensor begins.
 *
 * @param tensor - The tensor of a gradient.
 */
function eachVector(
  config: GradientMatrixConfig,
  { first }: Rows,
  tensor: (sum: GradientSum) => string,
  line: (round: Round, vector: number, place: string) => string,
): string {
  const { sums } = castRoles(config)
  const all = rounds(config)
  return widths(config)
    .map(({ width, vectors }) =>
      unroll(vectors, (v) => {
        const slot = `${first} + row${width}_${v}`
        const places = sums
          .filter(({ name }) =>
            all.some((round) => round.width === width && round.sum.name === name),
          )
          .map((sum) => {
            const name = tensor(sum)
            const row = gradientRow(config, config.rowTokens, slot)
            return `let ${sum.name}Place = ${name}Base + (${row}) * params.${name}Row + vector${width}_${v};`
          })
        const lines = all
          .filter((round) => round.width === width)
          .map((round) => {
            const place = `${round.sum.name}Place, ${vectorsOf(config, round.first)}u`
            return withinDims(config, round, v, line(round, v, place))
          })
        return `if (exists${width}_${v}) {\n${indent([...places, ...lines].join('\n'), 2)}\n}`
      }),
    )
    .join('\n')
}

/** Declares what an earlier pass summed, and loads it. */
function loadBefore(config: GradientMatrixConfig, rows: Rows): string {
  const registers = rounds(config).flatMap((round) =>
    Array.from({ length: laneVectors(config, round.width) }, (_, v) => before(round, v)),
  )
  const tensor = ({ name }: GradientSum): string => summedBefore(config, name)
  const loads = eachVector(
    config,
    rows,
    tensor,
    (round, v, place) => `${before(round, v)} = load${capitalized(tensor(round.sum))}(${place});`,
  )
  return `${declareRows(config, rows)}
${registers.map((name) => `var ${name} = vec4<f32>();`).join('\n')}
if (params.accumulate != 0u) {
${indent(loads, 2)}
}`
}

/**
 * Whether the loads set off beside the rows of the workgroup. DQ alone leaves registers for that over all of its tiles, and
 * it meets fewer of them in the time that loads take.
 */
const loadsFirst = (config: GradientMatrixConfig): boolean =>
  holdsSums(config) && config.continues && config.rowTokens === 'queries'

/** What is loaded of sums in the beginning. */
export const beginSums = (config: GradientMatrixConfig, rows: Rows): string =>
  loadsFirst(config) ? loadBefore(config, rows) : ''

/** Lines for the matrices of a round. */
const eachMatrix = (
  config: GradientMatrixConfig,
  { sum, first, width }: Round,
  line: (matrix: string, memory: string, place: number) => string,
): string =>
  ['scores', 'gradients']
    .slice(0, width)
    .map((memory, step) =>
      eachStepMatrix(config, sum, first + step, (matrix, place) => line(matrix, memory, place)),
    )
    .join('\n')

/** Moves a round from matrices to lanes. */
function moveRound(config: GradientMatrixConfig, round: Round): string {
  const ofStep = vectorsOf(config, 1)
  const product = (v: number): string => {
    const [row, vector] = [`row${round.width}_${v}`, `vector${round.width}_${v}`]
    if (round.width === 1) return `scores[subgroup][${row} * scoreStride + ${vector}]`
    const at = `[subgroup][${row} * scoreStride + ${vector} % ${ofStep}u]`
    return `select(scores${at}, gradients${at}, ${vector} >= ${ofStep}u)`
  }
  return `workgroupBarrier();
${eachMatrix(
  config,
  round,
  (matrix, memory, place) =>
    `subgroupMatrixStore<row_major>(&${memory}[subgroup], ${place}u, ${matrix}, scoreStride);`,
)}
workgroupBarrier();
${unroll(
  laneVectors(config, round.width),
  (v) => `let ${own(round, v)} = ${product(v)};
${withinDims(config, round, v, checkSums(own(round, v)))}`,
)}`
}

/** Writes the gradients; `again` says that a sum is not finite, and nothing is written then. */
export function storeHeldSums(config: GradientMatrixConfig, rows: Rows): string {
  const stores = eachVector(
    config,
    rows,
    ({ name }) => name,
    (round, v, place) =>
      `store${capitalized(round.sum.name)}(${place}, ${own(round, v)} * (${round.sum.factor}) + ${before(round, v)});`,
  )
  return `${loadsFirst(config) ? '' : `${loadBefore(config, rows)}\n`}${startCheck}
${rounds(config)
  .map((round) => moveRound(config, round))
  .join('\n')}
${tellStrange}
let again = workgroupUniformLoad(&foundStrange).x != 0u;
if (!again) {
${indent(stores, 2)}
}`
}
