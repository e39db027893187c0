// One run on the GPU: plan, upload, compute, read back, measure with and without the mask.
import type { Tensor } from '@attn/core'
import {
  createFlashAttention,
  type AttentionPlan,
  type FlashAttention,
  type PlanExplanation,
} from '@attn/webgpu-flash'
import { attentionOptions, shapeOf, type Settings } from '../settings/settings.ts'
import type { Inputs } from './inputs.ts'
import { measurePlan, type Timing } from './measure.ts'

/** What one call of attention was. */
export interface Computed {
  readonly explanation: PlanExplanation
  /** The WGSL of the kernel. */
  readonly code: string
  /** `[B, H, L, Dv]` on the CPU. */
  readonly output: Tensor
  /** Bytes the library held at most: inputs, outputs and tables. */
  readonly peakBytes: number
}

/** How long calls take. */
export interface Measured {
  readonly timing: Timing
  readonly explanation: PlanExplanation
  /** The same sizes with every pair visible; undefined where the mask is full already. */
  readonly unmasked: { readonly timing: Timing; readonly explanation: PlanExplanation } | undefined
}

/** What the page is told while a run goes on. */
export interface RunObserver {
  step(name: string): void
  /** Awaited before anything is measured. */
  computed(result: Computed): Promise<void>
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

/** Runs the settings on the GPU: computes once for the result, then many times for the clock. */
export async function runOnGpu(
  settings: Settings,
  inputs: Inputs,
  observer: RunObserver,
): Promise<Measured> {
  const flash = await openGpu()
  const shape = shapeOf(settings)
  const { mask, ...options } = attentionOptions(settings)
  const sizes = { ...shape, ...options, dtype: settings.dtype }

  observer.step('Planning')
  const plan = flash.plan({ ...sizes, ...(mask && { mask }) })
  const plans: AttentionPlan[] = [plan]
  flash.resetPeakMemory()
  const tensors = [inputs.query, inputs.key, inputs.value].map((input) => flash.upload(input))
  const [query, key, value] = tensors as [GpuInput, GpuInput, GpuInput]
  const results = plan.createOutputs()
  try {
    const bound = { query, key, value, ...results }
    const explanation = plan.explain()
    observer.step('Compiling')
    await plan.compile()
    observer.step('Computing')
    const { peakBytes } = flash.memory
    plan.forward(bound)
    const output = await flash.download(results.output)
    await observer.computed({ explanation, code: plan.code, output, peakBytes })

    observer.step('Measuring')
    const timing = await measurePlan(flash, plan, bound)
    if (!mask) return { timing, explanation, unmasked: undefined }
    observer.step('Measuring without the mask')
    const dense = flash.plan(sizes)
    plans.push(dense)
    const unmasked = {
      timing: await measurePlan(flash, dense, bound),
      explanation: dense.explain(),
    }
    return { timing, explanation, unmasked }
  } finally {
    flash.release(...tensors, results.output, results.logSumExp)
    for (const each of plans) each.destroy()
  }
}

type GpuInput = ReturnType<FlashAttention['upload']>
