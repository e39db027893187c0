// Which of an adapter's subgroup matrices kernels may use, and at which subgroup size. A kernel deals rows
// to the lanes of a subgroup, so it is written for one size. Where the adapter has one size only, that is
// it. Where sizes vary, a shader says which it wants (`subgroup-size-control`), or the driver chooses;
// either way a small problem has to come out right first (run/prove-matrices.ts).
import type { Capabilities, SubgroupMatrix } from '../device/capabilities.ts'

/** The subgroups that a kernel on matrices is written for. */
export interface MatrixSubgroups {
  readonly subgroupSize: number
  /** Whether the shader asks for this size, as it might get another. Default: false. */
  readonly statesSize?: boolean | undefined
}

/** A product of matrices, and the subgroups that do it. */
export interface UsableMatrix extends SubgroupMatrix, MatrixArithmetic, MatrixSubgroups {
  readonly operands: MatrixArithmetic['operands']
  readonly sums: MatrixArithmetic['sums']
  readonly statesSize: boolean
}

/** What matrices hold, and what products of them are summed in. */
export interface MatrixArithmetic {
  readonly operands: 'f16' | 'f32'
  readonly sums: 'f16' | 'f32'
}

/** The products that kernels exist for. */
function hasKernel(matrix: SubgroupMatrix): matrix is SubgroupMatrix & MatrixArithmetic {
  const { operands, sums } = matrix
  return sums === 'f32'
    ? operands === 'f16' || operands === 'f32'
    : sums === 'f16' && operands === 'f16'
}

/** Products that may be used without having been tried: kernels for them ran on devices of several makers. */
function isTrusted({ operands, sums }: SubgroupMatrix, { subgroups }: Capabilities): boolean {
  const oneSize = subgroups !== undefined && subgroups.minimum === subgroups.maximum
  return oneSize && operands === 'f16' && sums === 'f32'
}

/** What kernels may use, in the adapter's order. */
export function usableMatrices(capabilities: Capabilities): UsableMatrix[] {
  const { subgroups, subgroupMatrices, subgroupSizeControl, shaderFloat16 } = capabilities
  if (!subgroups) return []
  const statesSize = subgroupSizeControl && subgroups.minimum !== subgroups.maximum
  return subgroupMatrices.flatMap((matrix) => {
    const subgroupSize = isTrusted(matrix, capabilities) ? subgroups.maximum : matrix.provenAt
    if (subgroupSize === undefined || !hasKernel(matrix)) return []
    if (matrix.operands === 'f16' && !shaderFloat16) return []
    return [{ ...matrix, subgroupSize, statesSize }]
  })
}

/**
 * Products that a small problem would have to prove first, those with wider sums before others. What is
 * summed in float16 is left out where float32 will do.
 */
export function unprovenMatrices(capabilities: Capabilities): SubgroupMatrix[] {
  const { subgroups, subgroupMatrices, shaderFloat16 } = capabilities
  if (!subgroups) return []
  const wide = usableMatrices(capabilities).some(
    ({ operands, sums }) => operands === 'f16' && sums === 'f32',
  )
  return subgroupMatrices
    .filter(hasKernel)
    .filter((matrix) => !isTrusted(matrix, capabilities) && matrix.provenAt === undefined)
    .filter(({ operands }) => operands !== 'f16' || shaderFloat16)
    .filter(({ sums }) => sums !== 'f16' || !wide)
    .toSorted((one, other) => other.sums.localeCompare(one.sums))
}

/**
 * Sizes that a subgroup may have, the smallest first: where the hardware has a size for its matrices, that
 * is the smallest one (16 lanes of 16 to 32 on Intel's Xe2, 32 of 32 to 64 on AMD's RDNA).
 */
export function subgroupSizes({ subgroups }: Capabilities): number[] {
  const { minimum, maximum } = subgroups ?? { minimum: 1, maximum: 0 }
  return [4, 8, 16, 32, 64, 128].filter((size) => size >= minimum && size <= maximum)
}

/** Whether a workgroup may have so many threads: WebGPU wants a multiple of the largest subgroup. */
export function fillsSubgroups(threads: number, { subgroups }: Capabilities): boolean {
  return subgroups !== undefined && threads % subgroups.maximum === 0
}
