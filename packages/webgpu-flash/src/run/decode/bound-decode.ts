// A plan on the decode kernel on a device: the memory that the results of parts take.
import { decodeScratch } from '../../plan/decode/decode-plan.ts'
import type { DecodePlan } from '../../plan/decode/decode-plan.ts'
import type { PlanHost } from '../plan-host.ts'
import { finishCall } from '../forward/finish-call.ts'
import type { BoundForward } from '../forward/finish-call.ts'
import { prepareDecode } from './prepare-decode.ts'

/** Binds a plan to a device. */
export function bindDecode(host: PlanHost, plan: DecodePlan): BoundForward {
  const { buffers } = host
  const bytes = decodeScratch(plan.call.shape, plan.kernels)
  const scratch =
    bytes.output > 0
      ? {
          output: buffers.allocate('parts of rows', bytes.output),
          softmax: buffers.allocate('maxima and sums of parts', bytes.softmax),
        }
      : undefined
  return {
    prepare: (caller, tensors) => {
      const { stages, lengths } = prepareDecode(caller, host, plan, scratch, tensors)
      return finishCall(host, stages, undefined, lengths)
    },
    destroy: () => Object.values(scratch ?? {}).forEach((buffer) => buffers.release(buffer)),
  }
}
