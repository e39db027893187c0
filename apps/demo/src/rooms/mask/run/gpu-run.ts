// One run on the GPU: plan, upload, compute, read back, measure with and without the mask.
import type { Tensor } from '@attn/core'
import { causal } from '@attn/masks'
import type { AttentionPlan, FlashAttention, PlanExplanation } from '@attn/webgpu-flash'
import { openGpu } from '@attn/components/gpu'
import { measurePlan, type Timing } from '@attn/components/gpu'
import { attentionOptions, shapeOf, type Settings } from '../settings/settings.ts'
import type { Inputs } from './inputs.ts'

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

/** How long one call takes, and what it visits. */
export interface Measured {
  readonly timing: Timing
  readonly explanation: PlanExplanation
}

/** How long calls take: with the mask, and of the same sizes without. */
export interface Comparison {
  /** Undefined where every pair is visible. */
  readonly masked: Measured | undefined
  readonly causal: Measured
  readonly full: Measured
}

/** What the page is told while a run goes on. */
export interface RunObserver {
  step(name: string): void
  /** Awaited before anything is measured. */
  computed(result: Computed): Promise<void>
}

/** Runs the settings on the GPU: computes once for the result, then many times for the clock. */
export async function runOnGpu(
  settings: Settings,
  inputs: Inputs,
  observer: RunObserver,
): Promise<Comparison> {
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

    const measured = async (name: string, options: object): Promise<Measured> => {
      observer.step(`Measuring ${name}`)
      const other = flash.plan({ ...sizes, ...options })
      plans.push(other)
      return { timing: await measurePlan(flash, other, bound), explanation: other.explain() }
    }
    return {
      masked: mask && (await measured('the mask', { mask })),
      causal: await measured('causal', { mask: causal() }),
      full: await measured('every pair', {}),
    }
  } finally {
    flash.release(...tensors, results.output, results.logSumExp)
    for (const each of plans) each.destroy()
  }
}

type GpuInput = ReturnType<FlashAttention['upload']>
