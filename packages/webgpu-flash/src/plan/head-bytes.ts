// What an order of tokens asks of bindings: it may read a head anywhere.
import type { AttentionShape, DType } from '@attn/core'
import { elementBytes } from '../gpu-tensor.ts'

/** Bytes that an order needs to bind at once: a head of the widest tensor, and room to align it. */
export function headBytes(
  { queryLength, keyLength, headDim, valueDim }: AttentionShape,
  dtype: DType,
): number {
  const elements = Math.max(queryLength, keyLength) * Math.max(headDim, valueDim)
  return elements * elementBytes(dtype) + 256
}
