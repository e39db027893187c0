// What kernels on subgroup matrices call the three kinds of matrices of a product.
import type { GradientMatrixTile } from '../../plan/backward/gradient-matrix-tile.ts'

/**
 * WGSL of the types `Left`, `Right` and `Result`.
 *
 * @param operands - Numbers of the factors. Default: f16.
 * @param sums - Numbers of the result. Default: f32.
 */
export function matrixTypes(
  { rows, columns, depth }: GradientMatrixTile['matrix'],
  operands: 'f16' | 'f32' = 'f16',
  sums: 'f16' | 'f32' = 'f32',
): string {
  return `alias Left = subgroup_matrix_left<${operands}, ${depth}, ${rows}>;
alias Right = subgroup_matrix_right<${operands}, ${columns}, ${depth}>;
alias Result = subgroup_matrix_result<${sums}, ${columns}, ${rows}>;`
}
