// All that computes the gradients of rows, in the order it runs in: zeros where they are needed, each pass with
// the sum of its copies, and the heads that kernels on split float32 leave out.
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import type { GradientPass } from '../../plan/backward/gradient-passes.ts'
import { keyKernel, queryKernel, unsplitKernel } from './backward-kernels.ts'
import type { BackwardAccesses, BackwardKernel } from './backward-kernels.ts'
import { partsKernels, zeroKernels } from './parts-kernels.ts'

/** One of the kernels. */
export interface GradientStep {
  readonly kernel: BackwardKernel
  readonly pass: GradientPass
  /** Whether it walks tiles, or goes over the rows once. */
  readonly does: 'tiles' | 'sums' | 'zeros'
}

/** Those of dQ, or of dK and dV. */
export function gradientSteps(
  plan: BackwardPlan,
  accesses: BackwardAccesses,
  gradients: 'query' | 'key',
): GradientStep[] {
  const { passes, fromZeros } = plan[gradients]
  const kernelOf = gradients === 'query' ? queryKernel : keyKernel
  const [first] = passes
  const unsplit = unsplitKernel(plan, first, accesses)
  const leftOut: GradientStep[] = unsplit ? [{ ...unsplit, does: 'tiles' }] : []
  const inOrder = first.parts > 1 && passes.length === 1 && !first.orders
  const steps = passes.flatMap((pass): GradientStep[] => [
    { kernel: kernelOf(plan, accesses, pass), pass, does: 'tiles' },
    // Heads of either kind have copies there.
    ...(inOrder ? leftOut : []),
    ...partsKernels(plan, pass, accesses).map((kernel) => ({
      kernel,
      pass,
      does: 'sums' as const,
    })),
  ])
  const zeros = fromZeros ? zeroKernels(plan, first.rowTokens, accesses) : []
  return [
    ...zeros.map((kernel) => ({ kernel, pass: first, does: 'zeros' as const })),
    ...steps,
    ...(inOrder ? [] : leftOut),
  ]
}
