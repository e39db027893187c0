// Attention weights of CPU tensors on a device: the forward pass, and what it did not keep.
import type { AttentionOptions, Tensor, WeightsSelection } from '@attn/core'
import type { FlashAttention } from '../src/index.ts'
import { planSizes } from './plan-sizes.ts'

/** The weights of one call; everything it takes is freed. */
export async function weightsOnDevice(
  flash: FlashAttention,
  query: Tensor,
  key: Tensor,
  { parameters, ...options }: AttentionOptions,
  choice: WeightsSelection,
): Promise<Tensor> {
  const plan = flash.plan({
    ...planSizes(query, key),
    dtype: query.dtype === 'float64' ? 'float32' : query.dtype,
    ...options,
  })
  const given = parameters ? { parameters } : {}
  const [q, k] = [flash.upload(query), flash.upload(key)]
  const { output, logSumExp } = plan.forward({ query: q, key: k, value: k, ...given })
  const result = plan.weights({ query: q, key: k, logSumExp, ...given, ...choice })
  try {
    return await flash.download(result)
  } finally {
    flash.release(q, k, output, logSumExp, result)
    plan.destroy()
  }
}
