// How long this browser's GPU takes with a mask, with causal attention and with all pairs.
import { tensor, type Mask } from '@attn/core'
import { causal } from '@attn/masks'
import { gpu, measurePlan, openGpu } from '../gpu/index.ts'

/** Milliseconds of one call. */
export interface MaskTimes {
  readonly adapter: string
  /** Tokens. */
  readonly length: number
  readonly masked: number
  readonly causal: number
  readonly full: number
}

const [heads, headDim] = [8, 64]

/**
 * @param maskOf - The mask, each token of its picture standing for so many.
 * @param drawn - Tokens of the picture.
 * @throws Error where there is no GPU, as the library says it.
 */
export async function timeMasks(maskOf: (unit: number) => Mask, drawn: number): Promise<MaskTimes> {
  const flash = await openGpu()
  // A GPU that a CPU imitates would take minutes for what a GPU does in a millisecond.
  const unit = gpu.software ? 8 : 64
  const queryLength = drawn * unit
  const sizes = { heads: gpu.software ? 1 : heads, queryLength, headDim }
  const inputs = flash.plan(sizes)
  const shape = [1, sizes.heads, queryLength, headDim]
  const random = (): ReturnType<typeof flash.upload> => {
    const values = new Float32Array(sizes.heads * queryLength * headDim)
    return flash.upload(
      tensor(
        values.map(() => Math.random() - 0.5),
        shape,
      ),
    )
  }
  const [query, key, value] = [random(), random(), random()]
  const outputs = inputs.createOutputs()
  const bound = { query, key, value, ...outputs }
  const time = async (visible: Mask | undefined): Promise<number> => {
    const plan = flash.plan({ ...sizes, ...(visible && { mask: visible }) })
    try {
      return (await measurePlan(flash, plan, bound)).milliseconds
    } finally {
      plan.destroy()
    }
  }
  try {
    return {
      adapter: gpu.adapter ?? 'this GPU',
      length: queryLength,
      masked: await time(maskOf(unit)),
      causal: await time(causal()),
      full: await time(undefined),
    }
  } finally {
    inputs.destroy()
    flash.release(query, key, value, outputs.output, outputs.logSumExp)
  }
}
