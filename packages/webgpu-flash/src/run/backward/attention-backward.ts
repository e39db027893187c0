// Gradients in one call: of CPU tensors, which travel, or of GPU tensors, which stay where they are.
import { checkAttentionOptions, checkForwardResult, toFloat64Array } from '@attn/core'
import type { AttentionGradients, AttentionResult, Table, Tensor } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { PlanOptions } from '../../plan/plan-options.ts'
import type { CallOptions } from '../../plan/rotate/rope-options.ts'
import { callOptions } from '../../plan/rotate/rope-options.ts'
import { cpuCall } from '../cpu-call.ts'
import type { CpuCallHost } from '../cpu-call.ts'
import type { FlashAttention } from '../flash-attention-interface.ts'
import type { ForwardOutputs } from '../forward/forward-tensors.ts'
import { areOnGpu, gpuCall } from '../gpu-call.ts'
import type { BackwardOutputs } from './backward-tensors.ts'

const caller = 'flash.attentionBackward'

/** `FlashAttention.attentionBackward` of a library. */
export function attentionBackwardOf(host: CpuCallHost): FlashAttention['attentionBackward'] {
  const attentionBackward = async (
    query: Tensor & GpuTensor,
    key: Tensor & GpuTensor,
    value: Tensor & GpuTensor,
    forward: AttentionResult & ForwardOutputs,
    dOutput: Tensor & GpuTensor,
    given: CallOptions = {},
  ): Promise<AttentionGradients | BackwardOutputs> => {
    checkAttentionOptions(caller, given, callOptions)
    checkForwardResult(caller, forward)
    const tensors = { query, key, value, output: forward.output, dOutput }
    const options = { ...given, training: true }
    if (!areOnGpu(caller, tensors)) return onCpu(host, tensors, forward, options)
    const { logSumExp } = forward
    return gpuCall(caller, host, tensors, options, (plan, parameters) =>
      plan.backward({ ...tensors, logSumExp, ...parameters }),
    )
  }
  return attentionBackward as FlashAttention['attentionBackward']
}

async function onCpu(
  host: CpuCallHost,
  tensors: Readonly<Record<'query' | 'key' | 'value' | 'output' | 'dOutput', Tensor>>,
  forward: AttentionResult,
  options: CallOptions & Pick<PlanOptions, 'training'>,
): Promise<AttentionGradients> {
  return cpuCall(caller, host, tensors, options, async ({ plan, given, upload, keep }) => {
    const { dQuery, dKey, dValue, dTables, dSinks } = plan.backward({
      query: upload(tensors.query),
      key: upload(tensors.key),
      value: upload(tensors.value),
      output: upload(tensors.output),
      logSumExp: upload(forward.logSumExp),
      dOutput: upload(tensors.dOutput),
      ...given,
    })
    keep(dQuery, dKey, dValue, ...dTables.values(), ...(dSinks ? [dSinks] : []))
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
  })
}
