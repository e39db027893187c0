// All that gradients need, in one module that is loaded when they are asked for: planning, kernels and the
// calls. Programs that only run models never load it.
import { explainBackward } from '../../plan/backward/explain-backward.ts'
import { planBackward } from '../../plan/backward/backward-plan.ts'
import { withOwnGradients } from '../../tune/gradient-kernel-version.ts'
import { attentionBackwardOf } from './attention-backward.ts'
import type { Training } from './training-interface.ts'
import { bindPlanBackward } from './plan-backward.ts'

/** What a library uses of it. */
export const training: Training = {
  plan: (caller, forward, tiles, capabilities) => {
    const plan = planBackward(caller, withOwnGradients(forward), tiles, capabilities)
    return {
      forward: plan.forward,
      explain: () => explainBackward(plan),
      bind: (host, rope, checkUsable) => bindPlanBackward(host, plan, rope, checkUsable),
    }
  },
  attentionBackward: attentionBackwardOf,
}
