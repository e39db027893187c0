// The tensors that a plan is made for: row-major, as it makes its own. Accounts and texts that are made before a call
// are about these.
import { contiguousStrides } from '@attn/core'
import type { AttentionShape, DType } from '@attn/core'
import { packedRow } from '../codegen/access.ts'
import type { Capabilities } from '../device/capabilities.ts'
import { elementBytes } from '../gpu-tensor.ts'
import type { Call } from './call.ts'
import type { BoundTensor } from './dispatch.ts'

/** The tensors a plan is made for, row-major: what accounts of it are about. */
export function contiguousTensors(
  { shape, dtype }: Call,
  { shaderFloat16 }: Capabilities,
): BoundTensor[] {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const bound = (
    sizes: readonly number[],
    follows: BoundTensor['follows'],
    strides: readonly number[] = contiguousStrides(sizes),
    type = dtype,
  ): BoundTensor => ({
    view: { dtype: type, shape: sizes, strides, offset: 0, storage: undefined },
    elementBytes: elementBytes(type),
    follows,
  })
  return [
    bound([batch, heads, queryLength, headDim], 'queries'),
    bound([batch, kvHeads, keyLength, headDim], 'keys'),
    bound([batch, kvHeads, keyLength, valueDim], 'keys'),
    bound(
      [batch, heads, queryLength, valueDim],
      'queries',
      outputStrides(shape, dtype, shaderFloat16),
    ),
    bound([batch, heads, queryLength], 'queries', undefined, 'float32'),
  ]
}

/**
 * Strides of the output a plan makes for itself: row-major, but that halves which are stored in
 * pairs (no `shader-f16`) begin each row on a whole word.
 */
export function outputStrides(
  shape: AttentionShape,
  dtype: DType,
  nativeFloat16: boolean,
): number[] {
  const { heads, queryLength, valueDim } = shape
  const row = packedRow(dtype, valueDim, nativeFloat16)
  return [heads * queryLength * row, queryLength * row, row, 1]
}
