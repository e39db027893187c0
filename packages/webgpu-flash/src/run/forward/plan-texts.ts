// All that a plan compiles for contiguous tensors, before it is called.
import type { Access } from '../../codegen/access.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { contiguousTensors } from '../../plan/contiguous-tensors.ts'
import type { ForwardPlan, PassesPlan } from '../../plan/forward/forward-plan.ts'
import { keepsWideOutput } from '../../plan/forward/wide-output.ts'
import { contiguousDecodeTexts } from '../decode/decode-texts.ts'
import type { Kernel } from '../pipelines.ts'
import { halvesTexts, passTexts } from './pass-texts.ts'
import { splitStepKernels } from './split-steps.ts'
import { narrowText, wideAccess } from './wide-output.ts'

/** The texts of kernels that share the bindings of the forward pass. */
export function planTexts(plan: ForwardPlan, capabilities: Capabilities): string[] {
  if (plan.kind === 'decode') return contiguousDecodeTexts(plan)
  if (plan.kind === 'passes') return passesTexts(plan, capabilities)
  const { valueDim } = plan.call.shape
  const output = contiguousAccess(plan, capabilities, valueDim)
  const byHalves = plan.passes.flatMap((pass) => halvesTexts(pass, output))
  return [...byHalves, ...passesTexts(plan.otherwise, capabilities)]
}

/** Kernels with bindings of their own. */
export function planKernels(plan: ForwardPlan): Kernel[] {
  return plan.kind === 'halves' ? splitStepKernels(plan.call) : []
}

function passesTexts(plan: PassesPlan, capabilities: Capabilities): string[] {
  const { call, passes } = plan
  const { headDim, valueDim } = call.shape
  const tensors = contiguousTensors(call, capabilities)
  const merged = keepsWideOutput('flash.plan', passes, tensors, capabilities.limits)
  const output = contiguousAccess(plan, capabilities, valueDim)
  return [
    ...(merged ? [narrowText(call, output)] : []),
    ...passes.flatMap((pass) => {
      const { readsEights } = pass.kernel
      return passTexts(pass, {
        query: contiguousAccess(plan, capabilities, headDim),
        key: contiguousAccess(plan, capabilities, headDim, readsEights),
        value: contiguousAccess(plan, capabilities, valueDim, readsEights),
        output: merged ? wideAccess(call) : output,
      })
    }),
  ]
}

function contiguousAccess(
  { call: { dtype } }: ForwardPlan,
  { shaderFloat16 }: Capabilities,
  dims: number,
  inEights = false,
): Access {
  return {
    dtype,
    nativeFloat16: shaderFloat16,
    vector: dims % 4 === 0,
    ...(inEights && shaderFloat16 && dtype === 'float16' && dims % 8 === 0 ? { wide: true } : {}),
  }
}
