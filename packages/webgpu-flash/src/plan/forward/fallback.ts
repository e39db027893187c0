// The kernels in plain WGSL beside those by halves: they compute the calls whose numbers do not allow for halves, which are
// few, and every plan compiles them. So their loops stay rolled up.
import type { Capabilities } from '../../device/capabilities.ts'
import type { TiledKernel } from './forward-kernel.ts'
import type { PassesPlan } from './forward-plan.ts'
import type { ForwardPass } from './passes.ts'
import { tiledKernel } from './tiled-kernel.ts'

type PlainPlan = PassesPlan<TiledKernel>

/** The plan with kernels that compile sooner and run slower. */
export const asFallback = (plan: PlainPlan, capabilities: Capabilities): PlainPlan =>
  withLoops(plan, capabilities, true)

/** The plan of a call that has no other. */
export const asOnly = (fallback: PlainPlan, capabilities: Capabilities): PlainPlan =>
  withLoops(fallback, capabilities, false)

function withLoops(plan: PlainPlan, capabilities: Capabilities, rolled: boolean): PlainPlan {
  const { shape } = plan.call
  const change = (pass: ForwardPass<TiledKernel>): ForwardPass<TiledKernel> => ({
    ...pass,
    kernel: tiledKernel(pass.kernel.tile, shape, capabilities, rolled),
  })
  const [first, ...others] = plan.passes
  return { ...plan, passes: [change(first), ...others.map(change)] }
}
