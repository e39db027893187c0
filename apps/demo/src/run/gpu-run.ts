// One run on the GPU: plan, upload, compute, read back, measure with and without the mask.
import type { AttentionShape, Tensor } from '@attn/core'
import {
  createFlashAttention,
  type AttentionPlan,
  type Capabilities,
  type FlashAttention,
  type PlanExplanation,
} from '@attn/webgpu-flash'
import { attentionOptions, shapeOf, type Settings } from '../settings/settings.ts'
import type { Inputs } from './inputs.ts'
import { measurePlan, type Timing } from './measure.ts'

export interface GpuRun {
  readonly capabilities: Capabilities
  readonly explanation: PlanExplanation
  /** `[B, H, L, Dv]` on the CPU. */
  readonly output: Tensor
  readonly timing: Timing
  /** The same sizes with every pair visible; undefined where the mask is full already. */
  readonly unmasked: { readonly timing: Timing; readonly explanation: PlanExplanation } | undefined
  /** Bytes the library held at most: inputs, outputs and tables. */
  readonly peakBytes: number
}

let library: Promise<FlashAttention> | undefined

/** The library on this browser's GPU, made once; anew after the device was lost. */
export function openGpu(): Promise<FlashAttention> {
  library ??= createFlashAttention().then(
    (flash) => {
      void flash.device.lost.then(() => (library = undefined))
      return flash
    },
    (error: unknown) => {
      library = undefined
      throw error
    },
  )
  return library
}

/** Runs the settings on the GPU; `report` is told what is going on. */
export async function runOnGpu(
  settings: Settings,
  inputs: Inputs,
  report: (step: string) => void,
): Promise<GpuRun> {
  const flash = await openGpu()
  const shape = shapeOf(settings)
  const { mask, ...options } = attentionOptions(settings)
  const sizes = { ...shape, ...options, dtype: settings.dtype }

  report('Planning')
  const plan = flash.plan({ ...sizes, ...(mask && { mask }) })
  const plans: AttentionPlan[] = [plan]
  flash.resetPeakMemory()
  const tensors = [inputs.query, inputs.key, inputs.value].map((input) => flash.upload(input))
  const [query, key, value] = tensors as [GpuInput, GpuInput, GpuInput]
  const results = plan.createOutputs()
  try {
    const bound = { query, key, value, ...results }
    report('Compiling')
    await plan.compile()
    report('Computing')
    plan.forward(bound)
    const output = await flash.download(results.output)
    const { peakBytes } = flash.memory

    report('Measuring')
    const timing = await measurePlan(flash, plan, bound)
    let unmasked: GpuRun['unmasked']
    if (mask) {
      report('Measuring without the mask')
      const dense = flash.plan(sizes)
      plans.push(dense)
      unmasked = {
        timing: await measurePlan(flash, dense, bound),
        explanation: dense.explain(),
      }
    }
    return {
      capabilities: flash.capabilities,
      explanation: plan.explain(),
      output,
      timing,
      unmasked,
      peakBytes,
    }
  } finally {
    flash.release(...tensors, results.output, results.logSumExp)
    for (const each of plans) each.destroy()
  }
}

type GpuInput = ReturnType<FlashAttention['upload']>

/** Bytes of one L x S matrix of scores for every head, in the dtype of the run: what is not stored. */
export function scoreMatrixBytes(shape: AttentionShape, bytesPerElement: number): number {
  return shape.batch * shape.heads * shape.queryLength * shape.keyLength * bytesPerElement
}
