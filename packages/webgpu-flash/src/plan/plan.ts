// Planning: from sizes, expressions and limits to everything a run needs, without touching a GPU. The ways to compute a
// call are tried in turn, the best available first, and each says why it is not taken.
import { UnsupportedError } from '@attn/core'
import type { Capabilities } from '../device/capabilities.ts'
import { resolveCall } from './call.ts'
import type { Call } from './call.ts'
import { planDecode } from './decode/decode-plan.ts'
import { isPlainFloat32 } from './forward/forward-plan.ts'
import type { ForwardPlan, PassesPlan } from './forward/forward-plan.ts'
import { planHalves } from './forward/halves-plan.ts'
import { preferredKernels } from './forward/kernel-families.ts'
import { kernelWish } from './forward/kernel-wish.ts'
import type { KernelWish } from './forward/kernel-wish.ts'
import { arrangePasses } from './forward/pass-choice.ts'
import { passesOf } from './forward/passes.ts'
import type { PlanOptions } from './plan-options.ts'
import type { TileOrigin, Tuning } from './tuning.ts'

/**
 * Plans a forward pass.
 *
 * @param tuning - Tiles measured on this device. Default: none, the model chooses.
 * @throws RangeError for sizes and values out of range, TypeError for things of the wrong kind, UnsupportedError for
 *   what this device cannot do.
 */
export function planForward(
  options: PlanOptions,
  capabilities: Capabilities,
  tuning?: Tuning,
): ForwardPlan {
  const call = resolveCall(options, capabilities)
  const wish = kernelWish(call, options.tile, tuning, capabilities)
  const isFree = !wish.kernels && !wish.asksMatrices
  const decode = isFree ? planDecode(call, options.decodeTile, wish, capabilities) : undefined
  if (decode && !('refused' in decode)) return decode
  const passes = planPasses(call, wish, capabilities)
  const halves = isPlainFloat32(passes) ? planHalves(passes, wish, capabilities) : undefined
  if (halves && !('refused' in halves)) return halves
  if (halves && wish.asksMatrices) {
    throw new UnsupportedError(
      `flash.plan: tile 'subgroup-matrix' is not to be had: ${halves.refused}`,
    )
  }
  if (decode) return { ...passes, whyNoOther: `few queries, but ${decode.refused}` }
  const ofFloat32 = capabilities.subgroupMatrices.some(({ operands }) => operands === 'f32')
  return halves && !ofFloat32 ? { ...passes, whyNoOther: halves.refused } : passes
}

/** A call in passes of the kernel that is wished for, or preferred. */
function planPasses(call: Call, wish: KernelWish, capabilities: Capabilities): PassesPlan {
  const { kernels, whyNoOther } = wish.kernels
    ? { kernels: wish.kernels, whyNoOther: '' }
    : preferredKernels(call, capabilities)
  const arrangement = arrangePasses(call, kernels, capabilities)
  const { origin, tuned } = wish
  return {
    kind: 'passes',
    call,
    origin: tuned.forward?.tile === 'decode' ? withoutDecode : origin,
    tuned,
    passes: passesOf(call, arrangement, capabilities),
    choice: arrangement.choice,
    whyNoOther,
  }
}

const withoutDecode: TileOrigin = {
  kind: 'model',
  ignored: 'the decode kernel was the fastest, which this call cannot use',
}
