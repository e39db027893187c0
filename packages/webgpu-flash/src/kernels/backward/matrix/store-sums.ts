// The last step of the backward kernels on subgroup matrices: gradients leave the matrices through
// workgroup memory, where lanes scale and convert them and leave out rows that do not exist. Rows with a sum that is
// not finite are computed anew: all sums have to be looked at before one is added to what earlier dispatches wrote.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { eachLaneRow, laneVector } from '../../forward/matrix/lane-rows.ts'
import { ownColumnVectors } from '../../tile/grid.ts'
import { eachSumMatrix } from './products.ts'
import { castRoles, laneGrid } from './roles.ts'
import type { GradientMatrixConfig, GradientSum } from './roles.ts'
import { gradientRow, tokenText } from '../slots.ts'

/** Where rows of a gradient are: variables of the first and the last. */
interface Rows {
  readonly first: string
  readonly last: string
}

/**
 * Steps of a gradient that are written out; of more they are a loop whose end no compiler knows: it runs once, and unrolled
 * it would be much of the program to compile, as it is where the loop over tiles is long already.
 */
const mostUnrolled = 4

/** Writes the gradients, or adds them to what is there; `again` says that a sum is not finite, and nothing is written then. */
export function storeSums(config: GradientMatrixConfig, rows: Rows): string {
  const { sums } = castRoles(config)
  const { rules, tile } = config
  // Passes in an order of the tokens add to those in natural order.
  const few = sums.every((sum) => stepsOf(config, sum) <= mostUnrolled)
  const holds = rules.ordered && few && !tile.unrolled
  return holds ? heldSums(config, rows) : sumsInRounds(config, rows)
}

/** A gradient leaves in steps, of as many columns as the scores have. */
const stepsOf = ({ tile }: GradientMatrixConfig, { dims }: GradientSum): number =>
  Math.ceil(dims / tile.columns)

const capitalized = (name: string): string => `${name[0]!.toUpperCase()}${name.slice(1)}`

/** The register of a lane's row r and its vector j in a step. */
const heldName = ({ name }: GradientSum, step: number, r: number, j: number): string =>
  `${name}${step}_${r}_${j}`

const tell = 'if (strange) { foundStrange = vec4<u32>(1u); }'
const told = 'workgroupUniformLoad(&foundStrange).x != 0u'

/** Moves the columns of a step to the scores' memory. */
function moveColumns(config: GradientMatrixConfig, sum: GradientSum, step: number): string {
  const { tile, memory } = config
  const { rows, columns } = tile.matrix
  const stores = eachSumMatrix(config, sum, (matrix, b, c) => {
    if (Math.floor((c * columns) / tile.columns) !== step) return ''
    const place = b * rows * memory.scoreStride + ((c * columns) % tile.columns) / 4
    return `subgroupMatrixStore<row_major>(&scores[subgroup], ${place}u, ${matrix}, scoreStride);`
  })
  return stores.replace(/\n+/g, '\n').trim()
}

/**
 * A block for each vector of a lane in a step, where it exists; in the scope of `vector`, its place in the gradient's row.
 *
 * @param firstVector - Text of the first one of the step.
 * @param line - Of the lane's row r and its vector j; `product` is text of the sum among the scores.
 */
function eachVector(
  config: GradientMatrixConfig,
  { dims }: GradientSum,
  { first, last }: Rows,
  firstVector: string,
  line: (r: number, j: number, product: string) => string,
): string {
  const { tile, rules, rowTokens } = config
  return eachLaneRow(tile, (r) =>
    unroll(ownColumnVectors(laneGrid(config)), (j) => {
      const column = laneVector(tile, j)
      return `{
  let vector = ${firstVector} + ${column};
  if (${tokenText(rules, rowTokens, `${first} + ownRow${r}`)} <= ${last} && vector < ${dims / 4}u) {
${indent(line(r, j, `scores[subgroup][ownRow${r} * scoreStride + ${column}]`), 4)}
  }
}`
    }),
  )
}

const ownBase = (config: GradientMatrixConfig, name: string, { first }: Rows, r: number): string =>
  `let base = ${name}Base + (${gradientRow(config, config.rowTokens, `${first} + ownRow${r}`)}) * params.${name}Row;`

/**
 * By way of registers, as many as the sums took in matrices. What they are added to is on its way together: one load
 * after the other would cost as much as many tiles, where rows meet few.
 */
function heldSums(config: GradientMatrixConfig, rows: Rows): string {
  const { sums } = castRoles(config)
  const each = (
    line: (
      name: GradientSum['name'],
      held: string,
      r: number,
      product: string,
      factor: string,
    ) => string,
    before: (sum: GradientSum, step: number) => string = () => '',
  ): string =>
    sums
      .map((sum) =>
        unroll(stepsOf(config, sum), (step) => {
          const vectors = eachVector(
            config,
            sum,
            rows,
            `${(step * config.tile.columns) / 4}u`,
            (r, j, product) => line(sum.name, heldName(sum, step, r, j), r, product, sum.factor),
          )
          return `${before(sum, step)}${vectors}`
        }),
      )
      .join('\n')
  const names = sums.flatMap((sum) =>
    Array.from({ length: stepsOf(config, sum) }, (_, step) =>
      Array.from({ length: config.tile.rowsPerLane }, (__, r) =>
        Array.from({ length: ownColumnVectors(laneGrid(config)) }, (___, j) =>
          heldName(sum, step, r, j),
        ),
      ),
    ).flat(2),
  )
  return `${names.map((name) => `var ${name} = vec4<f32>();\nvar ${name}Before = vec4<f32>();`).join('\n')}
if (params.accumulate != 0u) {
${indent(
  each(
    (name, held, r) => `${ownBase(config, name, rows, r)}
${held}Before = load${capitalized(name)}(base, vector);`,
  ),
  2,
)}
}
var strange = false;
${each(
  (_, held, __, product) => `${held} = ${product};
strange = strange || anyStrange(${held});`,
  (sum, step) => `workgroupBarrier();\n${moveColumns(config, sum, step)}\nworkgroupBarrier();\n`,
)}
${tell}
let again = ${told};
if (!again) {
${indent(
  each(
    (name, held, r, _, factor) => `${ownBase(config, name, rows, r)}
store${capitalized(name)}(base, vector, ${held} * (${factor}) + ${held}Before);`,
  ),
  2,
)}
}`
}

/** Step by step: to be added to what is there, in a second round. */
function sumsInRounds(config: GradientMatrixConfig, rows: Rows): string {
  return `var strange = false;
var again = false;
for (var round = select(1u, 0u, params.accumulate != 0u); round < 2u && !again; round++) {
${indent(
  castRoles(config)
    .sums.map((sum) => sumInSteps(config, sum, rows))
    .join('\n'),
  2,
)}
  ${tell}
  again = ${told};
}`
}

function sumInSteps(config: GradientMatrixConfig, sum: GradientSum, rows: Rows): string {
  const { tile } = config
  const { name, factor } = sum
  const step = (moves: string, firstVector: string): string => `workgroupBarrier();
${moves}
workgroupBarrier();
${eachVector(
  config,
  sum,
  rows,
  firstVector,
  (r, _, product) => `let product = ${product};
strange = strange || anyStrange(product);
if (round == 1u) {
  ${ownBase(config, name, rows, r)}
  var sum = product * (${factor});
  if (params.accumulate != 0u) { sum += load${capitalized(name)}(base, vector); }
  store${capitalized(name)}(base, vector, sum);
}`,
)}`
  const steps = stepsOf(config, sum)
  const moves = (one: number): string => moveColumns(config, sum, one)
  if (steps <= mostUnrolled && !tile.unrolled) {
    return unroll(steps, (one) => step(moves(one), `${(one * tile.columns) / 4}u`))
  }
  const cases = unroll(steps, (one) => {
    const label = one === steps - 1 ? 'default' : `case ${one}u`
    return `${label}: {\n${indent(moves(one), 2)}\n}`
  })
  return `for (var columns = 0u; columns < select(0u, ${steps}u, params.keyLength != 0u); columns++) {
${indent(step(`switch (columns) {\n${indent(cases, 2)}\n}`, `columns * ${tile.columns / 4}u`), 2)}
}`
}
