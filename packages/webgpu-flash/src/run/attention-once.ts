// Attention of CPU tensors in one call: uploads, plans, runs, downloads.
import { attentionShape, checkParameters, resolveOptions } from '@attn/core'
import type { AttentionResult, Tensor } from '@attn/core'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { CallOptions } from '../plan/rope-options.ts'
import type { CpuCallHost } from './attention-backward.ts'

/** See `FlashAttention.attention`. */
export async function attentionOnce(
  host: CpuCallHost,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  callOptions: CallOptions = {},
): Promise<AttentionResult> {
  const shape = attentionShape('flash.attention', query, key, value)
  const { parameters, ...rest } = callOptions
  checkParameters('flash.attention', resolveOptions('flash.attention', shape, callOptions))
  const dtype = query.dtype === 'float16' ? 'float16' : 'float32'
  for (const [name, { dtype: other }] of Object.entries({ key, value })) {
    if ((other === 'float16') !== (dtype === 'float16')) {
      throw new TypeError(
        `flash.attention: query and ${name} dtypes must match, got ${query.dtype} and ${other}`,
      )
    }
  }
  const plan = host.plan({ ...shape, ...rest, dtype })
  const tensors: GpuTensor[] = []
  const uploaded = (source: Tensor): GpuTensor => {
    const copy = host.upload(source)
    tensors.push(copy)
    return copy
  }
  try {
    const result = plan.forward({
      query: uploaded(query),
      key: uploaded(key),
      value: uploaded(value),
      ...(parameters ? { parameters } : {}),
    })
    const results = [result.output, result.logSumExp]
    tensors.push(...results)
    const [output, logSumExp] = await Promise.all(results.map((tensor) => host.download(tensor)))
    return { output: output!, logSumExp: logSumExp! }
  } finally {
    host.release(...tensors)
    plan.destroy()
  }
}
