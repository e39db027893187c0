// Calls whose dispatches merge with what earlier ones left in the output: parts over other keys, and passes of a
// sparse mask. Where the output is float16 or bfloat16, partial results would be rounded at every merge, so they
// are kept in float32 beside it, and rounded once in the end.
import { contiguousStrides } from '@attn/core'
import type { DeviceLimits } from '../../device/capabilities.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { splitDispatches } from '../dispatch.ts'
import type { BoundTensor, Dispatch } from '../dispatch.ts'
import type { Call } from '../call.ts'
import { forwardDispatches } from './forward-dispatches.ts'
import type { ForwardPass } from './passes.ts'

/** Rows that a workgroup rounds. */
export const narrowedRows = 16

/**
 * Whether partial results of a plan's passes over these tensors are kept in float32.
 *
 * @throws UnsupportedError when they do not fit the device's bindings.
 */
export function keepsWideOutput(
  caller: string,
  passes: readonly ForwardPass[],
  tensors: readonly BoundTensor[],
  limits: DeviceLimits,
): boolean {
  if (passes[0]!.call.dtype === 'float32') return false
  return passes.some((pass) => {
    const { dispatches, parts } = forwardDispatches(caller, pass, tensors, limits)
    return [...dispatches, ...parts].some(({ merge }) => merge)
  })
}

/** The output in float32: rows of whole vectors. */
export function wideView({
  shape: { batch, heads, queryLength, valueDim },
}: Pick<Call, 'shape'>): Omit<GpuTensor, 'storage'> {
  const row = 4 * Math.ceil(valueDim / 4)
  const [batchStride, headStride, rowStride] = contiguousStrides([batch, heads, queryLength, row])
  return {
    dtype: 'float32',
    shape: [batch, heads, queryLength, valueDim],
    strides: [batchStride!, headStride!, rowStride!, 1],
    offset: 0,
  }
}

/** Bytes of the output in float32. */
export function wideBytes({
  shape: { batch, heads, queryLength, valueDim },
}: Pick<Call, 'shape'>): number {
  return 16 * batch * heads * queryLength * Math.ceil(valueDim / 4)
}

/** The same as it is bound. */
export function boundWide(call: Pick<Call, 'shape'>): BoundTensor {
  return { view: { ...wideView(call), storage: undefined }, elementBytes: 4, follows: 'queries' }
}

/** The dispatches that round it, in tiles of `narrowedRows` rows. */
export function narrowDispatches(
  caller: string,
  { shape, workBudget }: Call,
  output: BoundTensor,
  limits: DeviceLimits,
): Dispatch[] {
  return splitDispatches(caller, {
    shape,
    tile: { queries: narrowedRows, keys: 1 },
    tensors: [boundWide({ shape }), output],
    limits: { ...limits, workBudget },
    keyTiles: 1,
    work: () => 0,
  })
}
