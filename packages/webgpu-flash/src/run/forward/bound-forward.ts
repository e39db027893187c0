// The forward pass of a plan on a device: whatever kind of plan it is, it makes calls ready to be encoded.
import type { ForwardPlan, PassesPlan } from '../../plan/forward/forward-plan.ts'
import type { PlanHost } from '../plan-host.ts'
import { bindDecode } from '../decode/bound-decode.ts'
import { bindHalves } from './bound-halves.ts'
import { bindPass } from './bound-pass.ts'
import type { PlanUpload } from './bound-pass.ts'
import { finishCall } from './finish-call.ts'
import type { BoundForward } from './finish-call.ts'
import { prepareHalves } from './prepare-halves.ts'
import { preparePasses } from './prepare-passes.ts'
import type { ForwardTensors, Stage } from './stage.ts'
import { createWideOutput } from './wide-output.ts'

/**
 * Binds a plan to a device.
 *
 * @param data - Sequences, sinks and tables.
 */
export function bindForward(
  host: PlanHost,
  plan: ForwardPlan,
  upload: PlanUpload,
  data: GPUBuffer,
): BoundForward {
  if (plan.kind === 'decode') return bindDecode(host, plan)
  if (plan.kind === 'passes') {
    const bound = bindPasses(host, plan, upload)
    return {
      prepare: (caller, tensors) => finishCall(host, bound.stages(caller, tensors)),
      destroy: () => bound.destroy(),
    }
  }
  const plain = bindPasses(host, plan.otherwise, upload)
  const halves = bindHalves(plan, upload, host.buffers)
  return {
    prepare: (caller, tensors) => {
      const otherwise = plain.stages(caller, tensors)
      const { stages, before } = prepareHalves(caller, host, halves, data, tensors, otherwise)
      return finishCall(host, stages, before)
    },
    destroy: () => {
      plain.destroy()
      halves.destroy()
    },
  }
}

/** The passes of a plan with their buffers. */
function bindPasses(
  host: PlanHost,
  { call, passes }: PassesPlan,
  upload: PlanUpload,
): { stages(caller: string, tensors: ForwardTensors): Stage[]; destroy(): void } {
  const bound = passes.map((pass) => bindPass(pass, upload, host.buffers))
  const wide = createWideOutput(call, host.buffers)
  return {
    stages: (caller, tensors) => preparePasses(caller, host, bound, tensors, wide),
    destroy: () => {
      bound.forEach((pass) => pass.destroy())
      wide.destroy()
    },
  }
}
