// The last step of the backward kernels on subgroup matrices: gradients leave the matrices through
// workgroup memory, where lanes scale and convert them and leave out rows that do not exist.
import { unroll } from '../../../codegen/snippets.ts'
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
  // As many columns at a time as the scores have.
  return unroll(Math.ceil(dims / tile.columns), (pass) => {
    const inPass = (c: number): boolean => Math.floor((c * columns) / tile.columns) === pass
    const stores = eachSumMatrix(config, sum, (matrix, b, c) => {
      if (!inPass(c)) return ''
      const place = b * rows * memory.scoreStride + ((c * columns) % tile.columns) / 4
      return `subgroupMatrixStore<row_major>(&scores[subgroup], ${place}u, ${matrix}, scoreStride);`
    })
    const lines = eachLaneRow(tile, (r) =>
      unroll(
        vectors,
        (j) => `{
  let vector = ${(pass * tile.columns) / 4}u + ${laneVector(tile, j)};
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
    return `workgroupBarrier();
${stores.replace(/\n+/g, '\n').trim()}
workgroupBarrier();
${lines}`
  })
}
