// The kernels that go over the rows of gradients once: sums of the copies of several workgroups, zeros, and
// totals rounded.
import { tokenFunctions } from '../../codegen/token-order.ts'
import { sumPartsFields, sumPartsKernel } from '../../kernels/backward/sum-parts.wgsl.ts'
import type { SumPartsConfig } from '../../kernels/backward/sum-parts.wgsl.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import { gradientsOf } from '../../plan/backward/gradient-parts.ts'
import type { GradientPass } from '../../plan/backward/gradient-passes.ts'
import type { BackwardAccesses, BackwardKernel } from './backward-kernels.ts'

/** Adds up the copies of the gradients, where several workgroups share their rows. */
export function partsKernels(
  plan: BackwardPlan,
  { rowTokens, kernel: { tile }, parts, orders }: GradientPass,
  accesses: BackwardAccesses,
): BackwardKernel[] {
  if (parts === 1) return []
  const sizes =
    rowTokens === 'queries'
      ? { queries: tile.rows, keys: tile.columns }
      : { queries: tile.columns, keys: tile.rows }
  const tokens = orders && tokenFunctions(orders, sizes)
  return rowKernels(plan, rowTokens, accesses, { from: 'Parts', tokens })
}

/** Zeros in all rows of the gradients, where no pass writes every one of them. */
export function zeroKernels(
  plan: BackwardPlan,
  rowTokens: GradientPass['rowTokens'],
  accesses: BackwardAccesses,
): BackwardKernel[] {
  return rowKernels(plan, rowTokens, accesses, {})
}

/** Writes what has added up in float32 totals to the gradients. */
export function totalKernels(
  plan: BackwardPlan,
  rowTokens: GradientPass['rowTokens'],
  accesses: BackwardAccesses,
): BackwardKernel[] {
  return rowKernels(plan, rowTokens, accesses, { from: 'Total' })
}

function rowKernels(
  { call }: BackwardPlan,
  rowTokens: GradientPass['rowTokens'],
  accesses: BackwardAccesses,
  sum: Pick<SumPartsConfig, 'from' | 'tokens'>,
): BackwardKernel[] {
  const { headDim, valueDim } = call.shape
  return gradientsOf(rowTokens).map((name) => ({
    label: `attn backward ${sum.from ? 'sum' : 'zeros'} of ${name}`,
    names: sum.from ? [`${name}${sum.from}` as const, name] : [name],
    bindings: sum.from ? [false, true] : [true],
    fields: sumPartsFields(name, sum.from),
    expressions: false,
    code: sumPartsKernel({
      name,
      access: accesses[name],
      dims: name === 'dValue' ? valueDim : headDim,
      ...sum,
    }),
  }))
}
