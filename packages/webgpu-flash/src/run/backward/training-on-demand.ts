// What a library and its plans know of gradients before what they need is loaded.
import { typeError } from '@attn/core'
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
   * @throws RangeError for tiles that do not fit, UnsupportedError for tables whose gradients cannot be
   *   summed.
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

/** Loads it; bundlers make a chunk of its own of it. */
export async function loadTraining(): Promise<Training> {
  const { training } = await import('./training.ts')
  return training
}

/**
 * What was loaded beforehand.
 *
 * @throws TypeError where nothing was.
 */
export function loadedTraining(caller: string, training: Training | undefined): Training {
  if (training) return training
  throw typeError(
    `${caller}: training: true needs a library made by createFlashAttention({ training: true }), which loads what gradients need before; flash.attentionBackward loads it by itself`,
    'ATTN_TRAINING',
  )
}

/** The backward half of a plan that was made without. */
export function withoutBackward(): OwnedPlanBackward {
  const refuse = (name: string) => (): never => {
    throw typeError(`plan.${name}: the plan must be made with training: true`, 'ATTN_TRAINING')
  }
  return {
    backward: refuse('backward'),
    encodeBackward: refuse('encodeBackward'),
    createGradients: refuse('createGradients'),
    backwardCode: [],
    compile: async () => {},
    destroy: () => {},
  }
}
