// The sums of a pass that goes on with what an earlier one wrote, as passes in orders of the tokens do. They begin as
// that: it is loaded beside the rows of the workgroup, since in the end it would be waited for as long as many tiles
// take. And all leave at once, when every one has been looked at.
import { capitalized, indent } from '../../../codegen/snippets.ts'
import { castRoles } from './roles.ts'
import type { GradientMatrixConfig, GradientSum } from './roles.ts'
import {
  eachStepMatrix,
  eachVector,
  isUnrolled,
  laneUnits,
  rowBase,
  stepsOf,
  summedBefore,
} from './sum-steps.ts'
import type { Rows } from './sum-steps.ts'

/** Whether lanes hold the sums. */
export const holdsSums = (config: GradientMatrixConfig): boolean =>
  config.continues && isUnrolled(config)

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

/** A lane's registers. */
const held = ({ sum: { name }, first }: Round, register: number): string =>
  `${name}Held${first}_${register}`

/** A block for each of them. */
const each = (
  config: GradientMatrixConfig,
  rows: Rows,
  round: Round,
  line: (register: string, at: string) => string,
): string =>
  eachVector(
    config,
    round.sum,
    rows,
    round.width,
    `${(round.first * config.tile.columns) / 4}u`,
    (register, at) => line(held(round, register), at),
  )

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

/** Text of whether a vector crosses the memory of dP; undefined where none does. */
const crossesSecond = ({ tile }: GradientMatrixConfig, { first, width }: Round) =>
  width === 1 ? undefined : `vector >= ${((first + 1) * tile.columns) / 4}u`

/** Texts that bring what an earlier pass summed to the matrices: its loads, and its way on. */
export function beginSums(
  config: GradientMatrixConfig,
  rows: Rows,
): { readonly loads: string; readonly moves: string } {
  if (!holdsSums(config)) return { loads: '', moves: '' }
  const { sums } = castRoles(config)
  const all = rounds(config)
  const names = all.flatMap((round) =>
    Array.from({ length: laneUnits(config, round.width) }, (_, register) => held(round, register)),
  )
  const load = all.map((round) => {
    const from = summedBefore(config, round.sum.name)
    return each(
      config,
      rows,
      round,
      (register) => `${rowBase(config, from, rows)}
${register} = load${capitalized(from)}(base, vector);`,
    )
  })
  const move = all.map((round) => {
    const second = crossesSecond(config, round)
    const write = (register: string, at: string): string => {
      const text = `${at} = ${register} * ${round.sum.name}Inverse;`
      return second === undefined
        ? `scores${text}`
        : `if (${second}) { gradients${text} } else { scores${text} }`
    }
    return `workgroupBarrier();
${each(config, rows, round, write)}
workgroupBarrier();
${eachMatrix(
  config,
  round,
  (matrix, memory, place) =>
    `${matrix} = subgroupMatrixLoad<Result, row_major>(&${memory}[subgroup], ${place}u, scoreStride);`,
)}`
  })
  return {
    loads: `${names.map((name) => `var ${name} = vec4<f32>();`).join('\n')}
if (params.accumulate != 0u) {
${indent(load.join('\n'), 2)}
}`,
    moves: `if (params.accumulate != 0u) {
  // As the matrices have them; of a scale of 0 nothing is left.
${indent(sums.map(({ name, factor }) => `let ${name}Factor = ${factor};\nlet ${name}Inverse = select(1.0 / ${name}Factor, 0.0, ${name}Factor == 0.0);`).join('\n'), 2)}
${indent(move.join('\n'), 2)}
}`,
  }
}

/** Writes the gradients; `again` says that a sum is not finite, and nothing is written then. */
export function storeHeldSums(config: GradientMatrixConfig, rows: Rows): string {
  const all = rounds(config)
  const move = all.map((round) => {
    const second = crossesSecond(config, round)
    const product = (at: string): string =>
      second === undefined ? `scores${at}` : `select(scores${at}, gradients${at}, ${second})`
    return `workgroupBarrier();
${eachMatrix(
  config,
  round,
  (matrix, memory, place) =>
    `subgroupMatrixStore<row_major>(&${memory}[subgroup], ${place}u, ${matrix}, scoreStride);`,
)}
workgroupBarrier();
${each(
  config,
  rows,
  round,
  (register, at) => `${register} = ${product(at)};
strange = strange || anyStrange(${register});`,
)}`
  })
  const store = all.map((round) =>
    each(
      config,
      rows,
      round,
      (register) => `${rowBase(config, round.sum.name, rows)}
store${capitalized(round.sum.name)}(base, vector, ${register} * (${round.sum.factor}));`,
    ),
  )
  return `var strange = false;
${move.join('\n')}
if (strange) { foundStrange = vec4<u32>(1u); }
let again = workgroupUniformLoad(&foundStrange).x != 0u;
if (!again) {
${indent(store.join('\n'), 2)}
}`
}
