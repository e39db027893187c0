// Where attention stands under a device's roofline: operations and counted traffic of standard and flash
// attention and of decoding, and what they reach.
import { memoryTraffic } from '@attn/core'
import type { CountedTraffic } from '@attn/core'
import { gpuTensor } from '@attn/webgpu-flash'
import type { FlashAttention, GpuTensor } from '@attn/webgpu-flash'
import { withErrorScopes } from '../device/error-scope.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import type { EncodeWork } from '../measure/gpu-stopwatch.ts'
import { measure } from '../measure/measure.ts'
import { createStandardAttention } from '../peers/standard-webgpu/standard-attention.ts'
import { createGpuInputs } from '../suites/gpu-inputs.ts'

/** One kernel under the roofline. */
export interface KernelDot {
  /** For people: `flash, 4k`. */
  readonly label: string
  readonly operations: number
  /** Between memory and workgroups, as counted from its schedule; caches may serve a part of it. */
  readonly bytes: number
  readonly milliseconds: number
}

/** Sizes of the kernels. */
export interface DotShape {
  readonly heads: number
  readonly length: number
  readonly headDim: number
}

/** Times standard and flash attention forward, and one decoding step over the same keys, in float32. */
export async function measureDots(
  flash: FlashAttention,
  { heads, length, headDim }: DotShape,
  onStep: (label: string) => void = () => {},
): Promise<KernelDot[]> {
  const { device } = flash
  const shape = { batch: 1, heads, headDim, dtype: 'float32' } as const
  const inputs = await createGpuInputs(device, shape, length)
  const { query, key, value, output } = inputs.buffers
  const dots: KernelDot[] = []
  const add = async (
    label: string,
    encode: EncodeWork,
    { operations, bytes }: Pick<CountedTraffic, 'operations' | 'bytes'>,
  ): Promise<void> => {
    onStep(label)
    const stopwatch = createGpuStopwatch(device, encode)
    const options = { samples: 5, sampleMilliseconds: 10, budgetMilliseconds: 400, warmUps: 6 }
    const time = await withErrorScopes(device, label, () => measure(stopwatch, options))
    stopwatch.destroy()
    dots.push({ label, operations, bytes, milliseconds: time.median })
  }
  const asked = { heads, queryLength: length, headDim }
  try {
    const standard = await createStandardAttention(
      device,
      { ...shape, queryLength: length, keyLength: length },
      inputs.buffers,
    )
    await add('standard', standard.encode, memoryTraffic({ algorithm: 'standard', ...asked }))
    standard.destroy()
    for (const queryLength of [length, 1]) {
      const plan = flash.plan({ ...shape, queryLength, keyLength: length })
      await plan.compile()
      const view = (buffer: GPUBuffer, rows: number): GpuTensor =>
        gpuTensor(buffer, [1, heads, rows, headDim])
      const logSumExp = flash.empty([1, heads, queryLength])
      const tensors = {
        query: view(query, queryLength),
        output: view(output, queryLength),
        key: view(key, length),
        value: view(value, length),
        logSumExp,
      }
      const { tile } = plan.explain()
      const traffic = memoryTraffic({
        algorithm: 'flash',
        ...asked,
        queryLength,
        keyLength: length,
        queryBlockSize: tile.queries,
        keyBlockSize: tile.keys,
      })
      const encode: EncodeWork = (encoder, writes) => plan.encodeForward(encoder, tensors, writes)
      await add(queryLength === 1 ? 'decoding' : 'flash', encode, traffic)
      plan.destroy()
      flash.release(logSumExp)
    }
  } finally {
    inputs.destroy()
  }
  return dots
}
