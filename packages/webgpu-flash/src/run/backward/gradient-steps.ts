// All that computes the gradients of rows, in the order it runs in: zeros where they are needed, each pass with
// the sum of its copies, the heads that kernels on split float32 leave out, and the rounding of totals.
import { partsAccess } from '../../kernels/backward/sum-parts.wgsl.ts'
import type { SharedGradient } from '../../kernels/backward/sum-parts.wgsl.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import { gradientsOf } from '../../plan/backward/gradient-parts.ts'
import type { GradientPass, GradientPasses } from '../../plan/backward/gradient-passes.ts'
import { passKernel } from './backward-kernels.ts'
import type { BackwardAccesses, BackwardKernel } from './backward-kernels.ts'
import { partsKernels, totalKernels, zeroKernels } from './parts-kernels.ts'

/** One of the kernels. */
export interface GradientStep {
  readonly kernel: BackwardKernel
  readonly pass: GradientPass
  /** Whether it walks tiles, or goes over the rows once. */
  readonly does: 'tiles' | 'sums' | 'zeros' | 'rounds'
}

/**
 * Those of dQ, or of dK and dV.
 *
 * @param sums - Whether they add up in float32 before they are written, and whether the last pass writes them. Default: as
 *   contiguous tensors do.
 */
export function gradientSteps(
  plan: BackwardPlan,
  accesses: BackwardAccesses,
  gradients: 'query' | 'key',
  { totals, finishes }: Pick<GradientPasses, 'totals' | 'finishes'> = plan[gradients],
): GradientStep[] {
  if (!totals) return rowSteps(plan, accesses, gradients)
  const { rowTokens, passes } = plan[gradients]
  const { headDim, valueDim } = plan.call.shape
  const names = gradientsOf(rowTokens)
  const float32 = names.map((name) => [name, partsAccess(name === 'dValue' ? valueDim : headDim)])
  const moved = rowSteps(plan, { ...accesses, ...Object.fromEntries(float32) }, gradients)
  const isGradient = (name: unknown): name is SharedGradient => names.some((one) => one === name)
  const last = passes.at(-1)!
  const added = moved.filter(({ pass }) => !finishes || pass !== last)
  return [
    ...added.map(({ kernel, ...step }) => ({
      ...step,
      kernel: {
        ...kernel,
        names: kernel.names.map((name) => (isGradient(name) ? (`${name}Total` as const) : name)),
      },
    })),
    ...(finishes
      ? [
          {
            kernel: passKernel(plan, last, accesses, false, true),
            pass: last,
            does: 'tiles' as const,
          },
        ]
      : totalKernels(plan, rowTokens, accesses).map((kernel) => ({
          kernel,
          pass: passes[0],
          does: 'rounds' as const,
        }))),
  ]
}

function rowSteps(
  plan: BackwardPlan,
  accesses: BackwardAccesses,
  gradients: 'query' | 'key',
): GradientStep[] {
  const { rowTokens, passes, leftOut, fromZeros } = plan[gradients]
  const [first] = passes
  const ofLeftOut = leftOut.map((pass): GradientStep => ({
    kernel: passKernel(plan, pass, accesses, true),
    pass,
    does: 'tiles',
  }))
  const inOrder = first.parts > 1 && passes.length === 1 && !first.orders
  const steps = passes.flatMap((pass): GradientStep[] => [
    { kernel: passKernel(plan, pass, accesses), pass, does: 'tiles' },
    // Heads of either kind have copies there.
    ...(inOrder ? ofLeftOut : []),
    ...partsKernels(plan, pass, accesses).map((kernel) => ({
      kernel,
      pass,
      does: 'sums' as const,
    })),
  ])
  const zeros = fromZeros ? zeroKernels(plan, rowTokens, accesses) : []
  return [
    ...zeros.map((kernel) => ({ kernel, pass: first, does: 'zeros' as const })),
    ...steps,
    ...(inOrder ? [] : ofLeftOut),
  ]
}
