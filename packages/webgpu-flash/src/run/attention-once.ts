// Attention in one call: of CPU tensors, which travel, or of GPU tensors, which stay where they are.
import { checkAttentionOptions, wantsRowMaximum } from '@attn/core'
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
    const rowMaximum = wantsRowMaximum(caller, options)
    const tensors = { query, key, value }
    return areOnGpu(caller, tensors)
      ? gpuCall(caller, host, tensors, options, (plan, given) =>
          plan.forward({ ...tensors, ...given, rowMaximum }),
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
    const { query, key, value } = tensors
    const inputs = { query: upload(query), key: upload(key), value: upload(value) }
    // Else `forward` would compile one kernel after the other.
    await plan.compile()
    const { output, logSumExp, rowMaximum } = plan.forward({
      ...inputs,
      ...given,
      rowMaximum: wantsRowMaximum(caller, options),
    })
    const results = [output, logSumExp, ...(rowMaximum ? [rowMaximum] : [])]
    keep(...results)
    const [first, second, third] = await Promise.all(results.map((each) => host.download(each)))
    return { output: first!, logSumExp: second!, ...(third ? { rowMaximum: third } : {}) }
  })
}
