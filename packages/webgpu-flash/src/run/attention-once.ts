// Attention in one call: of CPU tensors, which travel, or of GPU tensors, which stay where they are.
import { checkAttentionOptions } from '@attn/core'
import type { AttentionResult, Tensor } from '@attn/core'
import type { CallOptions } from '../plan/rotate/rope-options.ts'
import { callOptions } from '../plan/rotate/rope-options.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import { cpuCall } from './cpu-call.ts'
import type { CpuCallHost } from './cpu-call.ts'
import type { FlashAttention } from './flash-attention-interface.ts'
import type { ForwardOutputs } from './forward/forward-tensors.ts'
import { areOnGpu, gpuCall } from './gpu-call.ts'

const caller = 'flash.attention'

/** `FlashAttention.attention` of a library. */
export function attentionOf(host: CpuCallHost): FlashAttention['attention'] {
  const attention = async (
    query: Tensor & GpuTensor,
    key: Tensor & GpuTensor,
    value: Tensor & GpuTensor,
    options: CallOptions = {},
  ): Promise<AttentionResult | ForwardOutputs> => {
    checkAttentionOptions(caller, options, callOptions)
    const tensors = { query, key, value }
    return areOnGpu(caller, tensors)
      ? gpuCall(caller, host, tensors, options, (plan, given) =>
          plan.forward({ ...tensors, ...given }),
        )
      : onCpu(host, tensors, options)
  }
  return attention as FlashAttention['attention']
}

async function onCpu(
  host: CpuCallHost,
  tensors: Readonly<Record<'query' | 'key' | 'value', Tensor>>,
  options: CallOptions,
): Promise<AttentionResult> {
  return cpuCall(caller, host, tensors, options, async ({ plan, given, upload, keep }) => {
    const result = plan.forward({
      query: upload(tensors.query),
      key: upload(tensors.key),
      value: upload(tensors.value),
      ...given,
    })
    const results = [result.output, result.logSumExp]
    keep(...results)
    const [output, logSumExp] = await Promise.all(results.map((tensor) => host.download(tensor)))
    return { output: output!, logSumExp: logSumExp! }
  })
}
