// Attention of CPU tensors in one call.
import { checkAttentionOptions } from '@attn/core'
import type { AttentionResult, Tensor } from '@attn/core'
import type { CallOptions } from '../plan/rotate/rope-options.ts'
import { callOptions } from '../plan/rotate/rope-options.ts'
import { cpuCall } from './cpu-call.ts'
import type { CpuCallHost } from './cpu-call.ts'

/** See `FlashAttention.attention`. */
export async function attentionOnce(
  host: CpuCallHost,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: CallOptions = {},
): Promise<AttentionResult> {
  checkAttentionOptions('flash.attention', options, callOptions)
  const tensors = { query, key, value }
  return cpuCall(
    'flash.attention',
    host,
    tensors,
    options,
    async ({ plan, given, upload, keep }) => {
      const result = plan.forward({
        query: upload(query),
        key: upload(key),
        value: upload(value),
        ...given,
      })
      const results = [result.output, result.logSumExp]
      keep(...results)
      const [output, logSumExp] = await Promise.all(results.map((tensor) => host.download(tensor)))
      return { output: output!, logSumExp: logSumExp! }
    },
  )
}
