// The last step of the backward kernels on subgroup matrices: gradients leave the matrices through
// workgroup memory, where lanes scale and convert them and leave out rows that do not exist. Rows with a sum that is
// not finite are computed anew: all sums have to be looked at before one is added to what earlier dispatches wrote.
import { capitalized, indent, unroll } from '../../../codegen/snippets.ts'
import { holdsSums, storeHeldSums } from './held-sums.ts'
import { castRoles } from './roles.ts'
import type { GradientMatrixConfig, GradientSum } from './roles.ts'
import {
  checkSums,
  eachStepMatrix,
  eachVector,
  mostUnrolled,
  rowBase,
  startCheck,
  stepsOf,
  summedBefore,
  tellStrange,
} from './sum-steps.ts'
import type { Rows } from './sum-steps.ts'

/** Writes the gradients, or adds them to what is there; `again` says that a sum is not finite, and nothing is written then. */
export function storeSums(config: GradientMatrixConfig, rows: Rows): string {
  return holdsSums(config) ? storeHeldSums(config, rows) : sumsInRounds(config, rows)
}

/** Step by step: to be added to what is there, in a second round. */
function sumsInRounds(config: GradientMatrixConfig, rows: Rows): string {
  return `${startCheck}
var again = false;
for (var round = select(1u, 0u, params.accumulate != 0u); round < 2u && !again; round++) {
${indent(
  castRoles(config)
    .sums.map((sum) => sumInSteps(config, sum, rows))
    .join('\n'),
  2,
)}
  ${tellStrange}
  again = workgroupUniformLoad(&foundStrange).x != 0u;
}`
}

function sumInSteps(config: GradientMatrixConfig, sum: GradientSum, rows: Rows): string {
  const { tile } = config
  const { name, factor } = sum
  const before = summedBefore(config, name)
  const step = (moves: string, firstVector: string): string => `workgroupBarrier();
${moves}
workgroupBarrier();
${eachVector(
  config,
  sum,
  rows,
  firstVector,
  (at) => `let product = scores${at};
${checkSums('product')}
if (round == 1u) {
  ${rowBase(config, name, rows)}
  var sum = product * (${factor});
  ${addBefore(config, before, rows)}
  store${capitalized(name)}(base, vector, sum);
}`,
)}`
  const steps = stepsOf(config, sum)
  const moves = (one: number): string =>
    eachStepMatrix(
      config,
      sum,
      one,
      (matrix, place) =>
        `subgroupMatrixStore<row_major>(&scores[subgroup], ${place}u, ${matrix}, scoreStride);`,
    )
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

/** Adds what earlier dispatches have summed: where the sum goes, or in a total that is read only. */
function addBefore(config: GradientMatrixConfig, before: string, rows: Rows): string {
  const load = `sum += load${capitalized(before)}(base, vector);`
  if (!config.finishes) return `if (params.accumulate != 0u) { ${load} }`
  return `if (params.accumulate != 0u) {
    ${rowBase(config, before, rows)}
    ${load}
  }`
}
