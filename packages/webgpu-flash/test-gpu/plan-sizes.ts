// The sizes of a call's tensors, as plans take them.
import type { Tensor } from '@attn/core'
import type { PlanOptions } from '../src/index.ts'

/** Sizes of `[B, H, L, D]` queries and `[B, Hkv, S, D]` keys. */
export function planSizes(
  query: Tensor,
  key: Tensor,
): Pick<PlanOptions, 'batch' | 'heads' | 'kvHeads' | 'queryLength' | 'keyLength' | 'headDim'> {
  const [batch, heads, queryLength, headDim] = query.shape as [number, number, number, number]
  const [, kvHeads, keyLength] = key.shape as [number, number, number]
  return { batch, heads, kvHeads, queryLength, keyLength, headDim }
}
