// The stages of a call by halves beside those of the kernel in plain WGSL, and what chooses between them on the GPU.
import type { PlanHost } from '../plan-host.ts'
import type { BoundHalves } from './bound-halves.ts'
import type { ChoosingSteps } from './finish-call.ts'
import { passStages } from './pass-stages.ts'
import { bindsWholeTensors, exponentPlaces, halvesOf, prepareSplitSteps } from './split-steps.ts'
import type { ForwardTensors, Stage } from './stage.ts'

/**
 * Prepares both; only `plain`, and no choice, where tensors of the call cannot be bound whole, as splitting wants it.
 *
 * @param data - Sequences, sinks and tables.
 */
export function prepareHalves(
  caller: string,
  host: PlanHost,
  bound: BoundHalves,
  data: GPUBuffer,
  tensors: ForwardTensors,
  plain: readonly Stage[],
): { readonly stages: readonly Stage[]; readonly before: ChoosingSteps | undefined } {
  const { maxStorageBufferBindingSize: most, minStorageBufferOffsetAlignment: alignment } =
    host.capabilities.limits
  const { call } = bound.plan
  if (!bindsWholeTensors(call, tensors, most, alignment))
    return { stages: plain, before: undefined }
  const { query, key, value } = bound.buffers
  const given = { ...tensors, ...halvesOf(call, bound) }
  const halves = bound.passes
    .flatMap((pass) => passStages(caller, host, pass, given, exponentPlaces(call)))
    .map((stage) => ({ ...stage, replaced: { query, key, value, ...stage.replaced } }))
  const dispatches = (stages: readonly Stage[]) => stages.flatMap((stage) => stage.dispatches)
  const chosen = { halves: dispatches(halves), plain: dispatches(plain) }
  return {
    stages: [...halves, ...plain],
    before: prepareSplitSteps(host, bound, data, tensors, chosen),
  }
}
