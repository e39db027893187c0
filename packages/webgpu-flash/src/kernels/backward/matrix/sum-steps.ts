// How sums cross from matrices to lanes, and back: in steps of as many columns as the scores have, through their memory.
import { indent } from '../../../codegen/snippets.ts'
import { subgroupRows } from '../../../plan/backward/gradient-matrix-tile.ts'
import { eachUnit } from '../../tile/source.ts'
import { eachSumMatrix } from './products.ts'
import { castRoles } from './roles.ts'
import type { GradientMatrixConfig, GradientSum } from './roles.ts'
import { gradientRow, tokenText } from '../slots.ts'

/** Where rows of a gradient are: variables of the first and the last. */
export interface Rows {
  readonly first: string
  readonly last: string
}

/** Steps in which a gradient moves. */
export const stepsOf = ({ tile }: GradientMatrixConfig, { dims }: GradientSum): number =>
  Math.ceil(dims / tile.columns)

/**
 * Steps of a gradient that are written out; of more they are a loop whose end no compiler knows: it runs once, and unrolled
 * it would be much of the program to compile, as it is where the loop over tiles is long already.
 */
export const mostUnrolled = 4

/** Whether its steps are written out. */
export function isUnrolled(config: GradientMatrixConfig): boolean {
  const { sums } = castRoles(config)
  return !config.tile.unrolled && sums.every((sum) => stepsOf(config, sum) <= mostUnrolled)
}

/** Text of a line for each matrix of a step's columns, and where it begins in the memory. */
export function eachStepMatrix(
  config: GradientMatrixConfig,
  sum: GradientSum,
  step: number,
  line: (matrix: string, place: number) => string,
): string {
  const { tile, memory } = config
  const { rows, columns } = tile.matrix
  const lines = eachSumMatrix(config, sum, (matrix, b, c) => {
    if (Math.floor((c * columns) / tile.columns) !== step) return ''
    return line(matrix, b * rows * memory.scoreStride + ((c * columns) % tile.columns) / 4)
  })
  return lines.replace(/\n+/g, '\n').trim()
}

/**
 * A block for each vector of a lane in a step, where it exists: neighbouring lanes have those of a row, since memory moves so
 * many bytes at once. In the scope of `row`, its row of the subgroup's, and of `vector`, its place in the gradient's row.
 *
 * @param firstVector - Text of the first one of the step.
 * @param block - `at` is text of its place in a step's memory.
 */
export function eachVector(
  config: GradientMatrixConfig,
  { dims }: GradientSum,
  { first, last }: Rows,
  firstVector: string,
  block: (at: string) => string,
): string {
  const { tile, rules, rowTokens } = config
  const vectors = tile.columns / 4
  return eachUnit(
    subgroupRows(tile) * vectors,
    tile.subgroupSize,
    (_, unit) => `{
  let row = ${unit} / ${vectors}u;
  let vector = ${firstVector} + ${unit} % ${vectors}u;
  if (${tokenText(rules, rowTokens, `${first} + row`)} <= ${last} && vector < ${dims / 4}u) {
${indent(block(`[subgroup][row * scoreStride + ${unit} % ${vectors}u]`), 4)}
  }
}`,
    'lane',
  )
}

/** Declares `base`, where a row of a tensor begins; in the scope of `row`. */
export const rowBase = (config: GradientMatrixConfig, name: string, { first }: Rows): string =>
  `let base = ${name}Base + (${gradientRow(config, config.rowTokens, `${first} + row`)}) * params.${name}Row;`

/** The tensor that holds what earlier dispatches have summed. */
export const summedBefore = (
  { finishes }: Pick<GradientMatrixConfig, 'finishes'>,
  name: GradientSum['name'],
): string => (finishes ? `${name}Total` : name)

/** Declares what tells whether a sum is not finite: that times 0 is NaN, which adding does not lose. In the scope of `nothing`. */
export const startCheck = `let zeros = vec4<f32>(bitcast<f32>(nothing)); // as no compiler knows
var check = vec4<f32>();`

/** Looks at a vector of sums, in one instruction for each of them. */
export const checkSums = (sums: string): string => `check = fma(${sums}, zeros, check);`

/** Tells all threads whether one has met such a sum; by bits, as compilers may assume that there is none. */
export const tellStrange = `if (any((bitcast<vec4<u32>>(check) & vec4<u32>(0x7fffffffu)) != vec4<u32>())) { foundStrange = vec4<u32>(1u); }`
