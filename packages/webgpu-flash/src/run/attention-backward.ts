// Gradients of CPU tensors in one call: uploads, plans, runs, downloads.
import { attentionShape, checkParameters, resolveOptions, toFloat64Array } from '@attn/core'
import type { AttentionGradients, AttentionResult, Table, Tensor } from '@attn/core'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { PlanOptions } from '../plan/plan.ts'
import type { CallOptions } from '../plan/rope-options.ts'
import type { AttentionPlan } from './attention-plan.ts'

/** What the call needs of the library. */
export interface CpuCallHost {
  plan(options: PlanOptions): AttentionPlan
  upload(source: Tensor): GpuTensor
  download(source: GpuTensor): Promise<Tensor>
  release(...tensors: readonly GpuTensor[]): void
}

/** See `FlashAttention.attentionBackward`. */
export async function attentionBackward(
  host: CpuCallHost,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  forward: AttentionResult,
  dOutput: Tensor,
  options: CallOptions = {},
): Promise<AttentionGradients> {
  const caller = 'flash.attentionBackward'
  const shape = attentionShape(caller, query, key, value)
  const { parameters, ...rest } = options
  checkParameters(caller, resolveOptions(caller, shape, options))
  const dtype = query.dtype === 'float16' ? 'float16' : 'float32'
  const others = { key, value, output: forward.output, dOutput }
  for (const [name, { dtype: other }] of Object.entries(others)) {
    if ((other === 'float16') !== (dtype === 'float16')) {
      throw new TypeError(
        `${caller}: query and ${name} dtypes must match, got ${query.dtype} and ${other}`,
      )
    }
  }
  const bound = host.plan({ ...shape, ...rest, dtype, training: true })
  const tensors: GpuTensor[] = []
  const uploaded = (source: Tensor): GpuTensor => {
    const copy = host.upload(source)
    tensors.push(copy)
    return copy
  }
  try {
    const { dQuery, dKey, dValue, dTables, dSinks } = bound.backward({
      query: uploaded(query),
      key: uploaded(key),
      value: uploaded(value),
      output: uploaded(forward.output),
      logSumExp: uploaded(forward.logSumExp),
      dOutput: uploaded(dOutput),
      ...(parameters ? { parameters } : {}),
    })
    tensors.push(dQuery, dKey, dValue, ...dTables.values(), ...(dSinks ? [dSinks] : []))
    const numbers = async (source: GpuTensor): Promise<Float64Array> =>
      toFloat64Array(await host.download(source))
    const ofTables = [...dTables].map(async ([table, gradient]): Promise<[Table, Float64Array]> => [
      table,
      await numbers(gradient),
    ])
    return {
      dQuery: await host.download(dQuery),
      dKey: await host.download(dKey),
      dValue: await host.download(dValue),
      dTables: new Map(await Promise.all(ofTables)),
      dSinks: dSinks && (await numbers(dSinks)),
    }
  } finally {
    host.release(...tensors)
    bound.destroy()
  }
}
