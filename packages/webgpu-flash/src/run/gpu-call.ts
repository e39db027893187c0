// One call with GPU tensors: plans, compiles without blocking, submits. Nothing is copied or read back.
import { attentionShape, typeError } from '@attn/core'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { PlanOptions } from '../plan/plan-options.ts'
import type { CallOptions } from '../plan/rotate/rope-options.ts'
import type { AttentionPlan } from './attention-plan-interface.ts'

/** Tensors of a call, CPU or GPU. */
export type CallTensors = Readonly<Record<'query' | 'key' | 'value', unknown>>

/**
 * Whether the tensors of a call are on the GPU.
 *
 * @throws TypeError where some are and some are not.
 */
export function areOnGpu(caller: string, tensors: CallTensors): boolean {
  const names = Object.keys(tensors) as (keyof CallTensors)[]
  const onGpu = names.filter((name) => isGpuTensor(tensors[name]))
  if (onGpu.length === 0) return false
  const other = names.find((name) => !onGpu.includes(name))
  if (other) {
    throw typeError(
      `${caller}: ${onGpu[0]} is on the GPU and ${other} is not; flash.upload puts it there, and gpuTensor makes a tensor of a GPUBuffer`,
    )
  }
  return true
}

function isGpuTensor(value: unknown): value is GpuTensor {
  const { storage } = (value ?? {}) as Partial<GpuTensor>
  return typeof storage?.mapAsync === 'function'
}

/** What such a call needs of the library. */
export interface GpuCallHost {
  plan(options: PlanOptions): AttentionPlan
}

/**
 * Makes a call.
 *
 * @throws (as a rejection) RangeError or TypeError for tensors and options that do not fit.
 */
export async function gpuCall<Result>(
  caller: string,
  host: GpuCallHost,
  { query, key, value }: Readonly<Record<'query' | 'key' | 'value', GpuTensor>>,
  options: CallOptions & Pick<PlanOptions, 'training'>,
  run: (plan: AttentionPlan, given: Pick<CallOptions, 'parameters'>) => Result,
): Promise<Result> {
  const shape = attentionShape(caller, query, key, value)
  const { parameters, rowMaximum: _, ...rest } = options
  const plan = host.plan({ ...shape, ...rest, dtype: query.dtype })
  try {
    await plan.compile()
    return run(plan, parameters ? { parameters } : {})
  } finally {
    // What was submitted still has the plan's buffers: WebGPU frees them after it.
    plan.destroy()
  }
}
