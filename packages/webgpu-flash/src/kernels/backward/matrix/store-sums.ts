// The last step of the backward kernels on subgroup matrices: gradients leave the matrices through
// workgroup memory, where lanes scale and convert them and leave out rows that do not exist.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { eachLaneRow, laneVector } from '../../forward/matrix/lane-rows.ts'
import { ownColumnVectors } from '../../tile/grid.ts'
import { eachSumMatrix } from './products.ts'
import { castRoles, laneGrid } from './roles.ts'
import type { GradientMatrixConfig, GradientSum } from './roles.ts'
import { gradientRow, tokenText } from '../slots.ts'

/**
 * Looks for sums that are not finite, which `strange` tells, and in round 1 writes the gradients, or adds them
 * to what earlier dispatches wrote; by way of the scores' memory.
 */
export function storeSums(config: GradientMatrixConfig, first: string, last: string): string {
  return castRoles(config)
    .sums.map((sum) => storeSum(config, sum, first, last))
    .join('\n')
}

/**
 * Of more columns the steps are a loop whose end no compiler knows: it runs once, and unrolled it would be much of
 * the program to compile. Fewer steps compile as soon unrolled, unless the loop over tiles is long already.
 */
const mostUnrolled = 4

function storeSum(
  config: GradientMatrixConfig,
  sum: GradientSum,
  first: string,
  last: string,
): string {
  const { tile, memory } = config
  const { name, dims, factor } = sum
  const { rows, columns } = tile.matrix
  const capital = `${name[0]!.toUpperCase()}${name.slice(1)}`
  const vectors = ownColumnVectors(laneGrid(config))
  const token = (r: number): string =>
    tokenText(config.rules, config.rowTokens, `${first} + ownRow${r}`)
  const row = (r: number): string => gradientRow(config, config.rowTokens, `${first} + ownRow${r}`)
  const passes = Math.ceil(dims / tile.columns)
  // As many columns at a time as the scores have.
  const matrices = (pass: number): string => {
    const stores = eachSumMatrix(config, sum, (matrix, b, c) => {
      if (Math.floor((c * columns) / tile.columns) !== pass) return ''
      const place = b * rows * memory.scoreStride + ((c * columns) % tile.columns) / 4
      return `subgroupMatrixStore<row_major>(&scores[subgroup], ${place}u, ${matrix}, scoreStride);`
    })
    return stores.replace(/\n+/g, '\n').trim()
  }
  const lines = (firstVector: string): string =>
    eachLaneRow(tile, (r) =>
      unroll(
        vectors,
        (j) => `{
  let vector = ${firstVector} + ${laneVector(tile, j)};
  if (${token(r)} <= ${last} && vector < ${dims / 4}u) {
    let product = scores[subgroup][ownRow${r} * scoreStride + ${laneVector(tile, j)}];
    strange = strange || anyStrange(product);
    if (round == 1u) {
      let base = ${name}Base + (${row(r)}) * params.${name}Row;
      var sum = product * (${factor});
      if (params.accumulate != 0u) { sum += load${capital}(base, vector); }
      store${capital}(base, vector, sum);
    }
  }
}`,
      ),
    )
  const step = (stores: string, firstVector: string): string =>
    `workgroupBarrier();\n${stores}\nworkgroupBarrier();\n${lines(firstVector)}`
  if (passes <= mostUnrolled && !tile.unrolled) {
    return unroll(passes, (pass) => step(matrices(pass), `${(pass * tile.columns) / 4}u`))
  }
  const cases = unroll(passes, (pass) => {
    const label = pass === passes - 1 ? 'default' : `case ${pass}u`
    return `${label}: {\n${indent(matrices(pass), 2)}\n}`
  })
  return `for (var columns = 0u; columns < select(0u, ${passes}u, params.keyLength != 0u); columns++) {
${indent(step(`switch (columns) {\n${indent(cases, 2)}\n}`, `columns * ${tile.columns / 4}u`), 2)}
}`
}
