// One call with CPU tensors: checks them, plans, uploads, and frees everything whatever happens.
import {
  attentionShape,
  checkParameters,
  checkTensors,
  resolveOptions,
  typeError,
} from '@attn/core'
import type { CpuDType, DType, Tensor } from '@attn/core'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { PlanOptions } from '../plan/plan-options.ts'
import type { CallOptions } from '../plan/rotate/rope-options.ts'
import type { AttentionPlan } from './attention-plan-interface.ts'

/** What such a call needs of the library. */
export interface CpuCallHost {
  plan(options: PlanOptions): AttentionPlan
  upload(source: Tensor): GpuTensor
  download(source: GpuTensor): Promise<Tensor>
  release(...tensors: readonly GpuTensor[]): void
}

/** A call under way. */
export interface CpuCall {
  readonly plan: AttentionPlan
  readonly given: Pick<CallOptions, 'parameters'>
  /** Uploads a tensor; it is freed with the call. */
  readonly upload: (source: Tensor) => GpuTensor
  /** Has tensors freed with the call. */
  readonly keep: (...tensors: readonly GpuTensor[]) => void
}

/**
 * Makes a call.
 *
 * @param tensors - All that have to have the dtype of `query`, with what they are called.
 * @throws (as a rejection) RangeError or TypeError for tensors and options that do not fit.
 */
export async function cpuCall<Result>(
  caller: string,
  host: CpuCallHost,
  tensors: Readonly<Record<'query' | 'key' | 'value', Tensor>>,
  options: CallOptions & Pick<PlanOptions, 'training'>,
  run: (call: CpuCall) => Promise<Result>,
): Promise<Result> {
  checkTensors(caller, tensors)
  const { query, key, value, ...others } = tensors
  const shape = attentionShape(caller, query, key, value)
  const { parameters, rowMaximum: _, ...rest } = options
  checkParameters(caller, resolveOptions(caller, shape, options))
  // float64 is computed in float32.
  const onGpu = (type: CpuDType): DType => (type === 'float64' ? 'float32' : type)
  const dtype = onGpu(query.dtype)
  for (const [name, { dtype: other }] of Object.entries<Tensor>({ key, value, ...others })) {
    if (onGpu(other) !== dtype) {
      throw typeError(
        `${caller}: query and ${name} dtypes must match, got ${query.dtype} and ${other}`,
        'ATTN_DTYPE',
      )
    }
  }
  const plan = host.plan({ ...shape, ...rest, dtype })
  const made: GpuTensor[] = []
  try {
    return await run({
      plan,
      given: parameters ? { parameters } : {},
      upload: (source) => {
        const copy = host.upload(source)
        made.push(copy)
        return copy
      },
      keep: (...more) => made.push(...more),
    })
  } finally {
    host.release(...made)
    plan.destroy()
  }
}
