// Whether subgroup matrices that nobody has tried come out right on this device, and at which subgroup size:
// a small problem with a known answer is computed on them before any call is.
import type { Capabilities, SubgroupMatrix } from '../device/capabilities.ts'
import {
  allowances,
  causal,
  exactAttention,
  largestDifference,
  smallInputs,
} from '../diagnose/small-problem.ts'
import { subgroupSizes, unprovenMatrices } from '../plan/usable-matrices.ts'
import type { FlashAttention } from './flash-attention-interface.ts'

/**
 * The capabilities with the subgroup sizes at which matrices came out right.
 *
 * @param create - The library on this device as if it could do this and no more.
 */
export async function proveMatrices(
  capabilities: Capabilities,
  create: (candidate: Capabilities) => FlashAttention,
): Promise<Capabilities> {
  const proven = new Map<SubgroupMatrix, SubgroupMatrix>()
  for (const matrix of unprovenMatrices(capabilities)) {
    const { operands, sums } = matrix
    const isNarrow = sums === 'f16' && [...proven.keys()].some((one) => one.operands === operands)
    // What sums in float16 is used where nothing better is there.
    if (isNarrow) continue
    for (const provenAt of subgroupSizes(capabilities)) {
      const candidate = { ...matrix, provenAt }
      const library = create({ ...capabilities, subgroupMatrices: [candidate] })
      const right = await comesOutRight(library, candidate)
      library.destroy()
      if (!right) continue
      proven.set(matrix, candidate)
      break
    }
  }
  const subgroupMatrices = capabilities.subgroupMatrices.map(
    (matrix) => proven.get(matrix) ?? matrix,
  )
  return { ...capabilities, subgroupMatrices }
}

/** Whether a causal problem of a few tiles does; errors are a no: drivers refuse what they cannot do. */
async function comesOutRight(
  library: FlashAttention,
  { operands, columns, depth }: SubgroupMatrix,
): Promise<boolean> {
  const dim = Math.max(16, columns, depth)
  const dtype = operands === 'f16' ? 'float16' : 'float32'
  const inputs = smallInputs(dtype, 70, 70, dim)
  const sizes = { heads: 2, queryLength: 70, headDim: dim, dtype } as const
  try {
    const plan = library.plan({ ...sizes, mask: causal })
    const { variant } = plan.explain()
    plan.destroy()
    if (variant !== 'subgroup-matrix') return false
    const { output, logSumExp } = await library.attention(...inputs, { mask: causal })
    const exact = exactAttention(inputs)
    return (
      largestDifference(output, exact.output) <= allowances[dtype] &&
      largestDifference(logSumExp, exact.logSumExp) <= allowances[dtype]
    )
  } catch {
    return false
  }
}
