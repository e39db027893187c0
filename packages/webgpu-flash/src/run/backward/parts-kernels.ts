// The kernels that go over the rows of gradients once: sums of the copies of several workgroups, and zeros.
import { tokenFunctions } from '../../codegen/token-order.ts'
import { sumPartsFields, sumPartsKernel } from '../../kernels/backward/sum-parts.wgsl.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import { gradientsOf } from '../../plan/backward/gradient-parts.ts'
import type { GradientPass } from '../../plan/backward/gradient-passes.ts'
import type { BackwardAccesses, BackwardKernel } from './backward-kernels.ts'

/** Adds up the copies of the gradients, where several workgroups share their rows. */
export function partsKernels(
  { forward }: BackwardPlan,
  { rowTokens, parts, orders, tile }: GradientPass,
  accesses: BackwardAccesses,
): BackwardKernel[] {
  if (parts === 1) return []
  const { headDim, valueDim } = forward.shape
  const sizes =
    rowTokens === 'queries'
      ? { queries: tile.rows, keys: tile.columns }
      : { queries: tile.columns, keys: tile.rows }
  return gradientsOf(rowTokens).map((name) => ({
    label: `attn backward sum of ${name}`,
    names: [`${name}Parts` as const, name],
    bindings: [false, true],
    fields: sumPartsFields(name),
    expressions: false,
    code: sumPartsKernel({
      name,
      access: accesses[name],
      dims: name === 'dValue' ? valueDim : headDim,
      copies: true,
      tokens: orders && tokenFunctions(orders, sizes),
    }),
  }))
}

/** Zeros in all rows of the gradients, where no pass writes every one of them. */
export function zeroKernels(
  { forward }: BackwardPlan,
  rowTokens: GradientPass['rowTokens'],
  accesses: BackwardAccesses,
): BackwardKernel[] {
  const { headDim, valueDim } = forward.shape
  return gradientsOf(rowTokens).map((name) => ({
    label: `attn backward zeros of ${name}`,
    names: [name],
    bindings: [true],
    fields: sumPartsFields(name),
    expressions: false,
    code: sumPartsKernel({
      name,
      access: accesses[name],
      dims: name === 'dValue' ? valueDim : headDim,
      copies: false,
    }),
  }))
}
