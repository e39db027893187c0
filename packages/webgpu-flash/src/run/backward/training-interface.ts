// What a library uses of gradients once they are loaded.
import type { Capabilities } from '../../device/capabilities.ts'
import type { BackwardExplanation } from '../../plan/backward/explain-backward.ts'
import type { BackwardTiles } from '../../plan/backward/gradient-tile.ts'
import type { ForwardPlan } from '../../plan/forward/forward-plan.ts'
import type { PlanHost } from '../plan-host.ts'
import type { CpuCallHost } from '../cpu-call.ts'
import type { FlashAttention } from '../flash-attention-interface.ts'
import type { PlanRope } from '../rotate/plan-rope.ts'
import type { OwnedPlanBackward } from './plan-backward.ts'

/** The backward half of a plan, before it has a device. */
export interface PlannedBackward {
  /** The forward pass whose scores are rounded as those of the gradients are. */
  readonly forward: ForwardPlan
  explain(): BackwardExplanation
  /**
   * Binds it to a device.
   *
   * @param rope - The plan's rotation, where it has one.
   * @param checkUsable - Throws where the plan cannot be used any more.
   */
  bind(
    host: PlanHost,
    rope: PlanRope | undefined,
    checkUsable: (caller: string) => void,
  ): OwnedPlanBackward
}

/** What is loaded. */
export interface Training {
  /**
   * Plans a backward pass.
   *
   * @param forward - As it would be without gradients.
   * @throws RangeError for tiles that do not fit, UnsupportedError for tables whose gradients cannot be
   *   summed, or where the caller asks for kernels of which one keeps the call from another.
   */
  plan(
    caller: string,
    forward: ForwardPlan,
    tiles: BackwardTiles,
    capabilities: Capabilities,
  ): PlannedBackward
  /** `FlashAttention.attentionBackward` of a library. */
  attentionBackward(host: CpuCallHost): FlashAttention['attentionBackward']
}
