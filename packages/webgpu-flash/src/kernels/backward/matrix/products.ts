// The products on subgroup matrices: S and dP of own and visited rows, and the sums of visited rows
// weighted by P and dS. Every matrix of visited rows is loaded once for all blocks of own rows.
import { unroll } from '../../../codegen/snippets.ts'
import { castRoles } from './roles.ts'
import type { GradientMatrixConfig, GradientSum, Operand } from './roles.ts'

/** S and dP of the tile at one of the two places, to the subgroup's `scores` and `gradients`. */
export function scoreProducts(config: GradientMatrixConfig, place: string): string {
  const { own, visited } = castRoles(config)
  return `${product(config, own[0], visited[0], place, 'scores')}
${product(config, own[1], visited[1], place, 'gradients')}`
}

function product(
  { tile, memory }: GradientMatrixConfig,
  own: Operand,
  visited: Operand,
  place: string,
  target: 'scores' | 'gradients',
): string {
  const { rows, columns, depth } = tile.matrix
  return unroll(
    tile.columns / columns,
    (n) => `{
${unroll(tile.rowBlocks, (b) => `  var product${b} = Result();`)}
${unroll(
  own.dims / depth,
  (
    k,
  ) => `  let visited${k} = subgroupMatrixLoad<Right, col_major>(&${visited.rows(place)}, ${n * columns * visited.stride + (k * depth) / 4}u, ${visited.stride}u);
${unroll(tile.rowBlocks, (b) => `  product${b} = subgroupMatrixMultiplyAccumulate(${own.name}${b}_${k}, visited${k}, product${b});`)}`,
)}
${unroll(tile.rowBlocks, (b) => `  subgroupMatrixStore<row_major>(&${target}[subgroup], ${b * rows * memory.scoreStride + (n * columns) / 4}u, product${b}, scoreStride);`)}
}`,
  )
}

/** A line for each matrix of a gradient: block of rows b, columns c. */
export function eachSumMatrix(
  { tile }: GradientMatrixConfig,
  { name, dims }: GradientSum,
  line: (matrix: string, b: number, c: number) => string,
): string {
  return unroll(tile.rowBlocks, (b) =>
    unroll(dims / tile.matrix.columns, (c) => line(`${name}${b}_${c}`, b, c)),
  )
}

/** Declares the gradients. */
export function startSums(config: GradientMatrixConfig): string {
  return castRoles(config)
    .sums.map((sum) => eachSumMatrix(config, sum, (matrix) => `var ${matrix} = Result();`))
    .join('\n')
}

/** Adds the visited rows at one of the two places to the gradients. */
export function addSums(config: GradientMatrixConfig, place: string): string {
  return castRoles(config)
    .sums.map((sum) => addSum(config, sum, place))
    .join('\n')
}

function addSum(
  { tile, memory }: GradientMatrixConfig,
  { name, dims, source, weights }: GradientSum,
  place: string,
): string {
  const { rows, columns, depth } = tile.matrix
  return unroll(
    tile.columns / depth,
    (k) => `{
${unroll(tile.rowBlocks, (b) => `  let weights${b} = subgroupMatrixLoad<Left, row_major>(&weights[subgroup], ${b * rows * memory.weightStride + weights + (k * depth) / 4}u, weightStride);`)}
${unroll(
  dims / columns,
  (
    c,
  ) => `  let visited${c} = subgroupMatrixLoad<Right, row_major>(&${source.rows(place)}, ${k * depth * source.stride + (c * columns) / 4}u, ${source.stride}u);
${unroll(tile.rowBlocks, (b) => `  ${name}${b}_${c} = subgroupMatrixMultiplyAccumulate(weights${b}, visited${c}, ${name}${b}_${c});`)}`,
)}
}`,
  )
}
