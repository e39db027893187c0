// The stages of a call in passes.
import { keepsWideOutput, wideView } from '../../plan/forward/wide-output.ts'
import type { PlanHost } from '../plan-host.ts'
import type { BoundPass } from './bound-pass.ts'
import { boundTensors } from './forward-call.ts'
import { passStages } from './pass-stages.ts'
import type { ForwardTensors, Stage } from './stage.ts'
import { narrowStage } from './wide-output.ts'
import type { WideOutput } from './wide-output.ts'

/** The stages of all passes, and where they merge halves the one that rounds what they keep in float32. */
export function preparePasses(
  caller: string,
  host: PlanHost,
  passes: readonly BoundPass[],
  tensors: ForwardTensors,
  wide: WideOutput,
): Stage[] {
  const { call } = passes[0]!.pass
  const bound = boundTensors(tensors)
  const stages = (given: ForwardTensors): Stage[] =>
    passes.flatMap((pass) => passStages(caller, host, pass, given))
  const { limits } = host.capabilities
  const plans = passes.map(({ pass }) => pass)
  if (!keepsWideOutput(caller, plans, Object.values(bound), limits)) return stages(tensors)
  const buffer = wide.get()
  const output = { ...wideView(call), storage: buffer }
  const blockMap = passes[0]!.blockMaps.get('longest first')
  return [
    ...stages({ ...tensors, output }).map((stage) => ({ ...stage, moved: { output: buffer } })),
    narrowStage(caller, host, call, tensors.output, bound.output, buffer, blockMap),
  ]
}
