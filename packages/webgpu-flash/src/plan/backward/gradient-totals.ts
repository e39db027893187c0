// Where gradients narrower than float32 add up. A pass that is cut into many dispatches, over columns or over
// the query heads of a key head, and the passes of a sparse mask add to what earlier ones wrote; rounded to
// float16 each time, errors would grow with their number. So they add up in float32 totals, beside the
// gradients, which are rounded once.
import type { AttentionShape, DType } from '@attn/core'
import { elementCount } from '@attn/core'
import { elementBytes } from '../../gpu-tensor.ts'
import type { SharedGradient } from '../../kernels/backward/sum-parts.wgsl.ts'
import type { Capabilities, DeviceLimits } from '../../device/capabilities.ts'
import type { Call } from '../call.ts'
import { contiguousTensors } from '../contiguous-tensors.ts'
import { passProblem, splitGradient } from './backward-dispatch.ts'
import type { GradientDispatch } from './backward-dispatch.ts'
import { copyShape } from './gradient-parts.ts'
import type { GradientPass, GradientPasses } from './gradient-passes.ts'

/** Shape of the total of a gradient, in float32: the gradient's. */
export const totalShape = (shape: AttentionShape, name: SharedGradient): readonly number[] =>
  copyShape(shape, { rowTokens: name === 'dQuery' ? 'queries' : 'keys', orders: undefined }, name)

/** Its bytes. */
export const totalBytes = (shape: AttentionShape, name: SharedGradient): number =>
  elementBytes('float32') * elementCount(totalShape(shape, name))

/**
 * Whether the passes of a gradient need totals.
 *
 * @param cut - The dispatches of a pass.
 */
export function needsTotals(
  dtype: DType,
  passes: GradientPasses['passes'],
  cut: (pass: GradientPass) => readonly GradientDispatch[],
): boolean {
  if (elementBytes(dtype) >= elementBytes('float32')) return false
  // Copies of shared rows are in float32 already, and added up once by each pass.
  const [{ parts }] = passes
  return passes.length > 1 || (parts === 1 && cut(passes[0]).some(({ accumulate }) => accumulate))
}

/** Bindings of a kernel beside those of gradients: Q, K, V, dO, what is kept of rows, and data. */
const otherBindings = 6

/**
 * Whether the last pass of gradients in totals rounds them: where it is one dispatch for every row, meets each of them, and
 * may bind totals and gradients.
 *
 * @param cut - Its dispatches.
 */
export function lastPassFinishes(
  passes: GradientPasses['passes'],
  cut: (pass: GradientPass) => readonly GradientDispatch[],
  limits: Pick<DeviceLimits, 'maxStorageBuffersPerShaderStage'>,
): boolean {
  const last = passes.at(-1)!
  const { kernel, rowTokens, orders, parts } = last
  const order = rowTokens === 'queries' ? orders?.queryOrder : orders?.keyOrder
  return (
    kernel.readsTotals &&
    last.continues &&
    parts === 1 &&
    (order?.leftOut.length ?? 0) === 0 &&
    otherBindings + 2 * kernel.writes.length <= limits.maxStorageBuffersPerShaderStage &&
    cut(last).every(({ accumulate }) => !accumulate)
  )
}

/** Both where all tensors are contiguous. */
export function contiguousTotals(
  caller: string,
  call: Call,
  passes: GradientPasses['passes'],
  capabilities: Capabilities,
): Pick<GradientPasses, 'totals' | 'finishes'> {
  const { shape, dtype, workBudget } = call
  const limits = { ...capabilities.limits, workBudget }
  const tensors = contiguousTensors(call, capabilities)
  const cut = (pass: GradientPass) =>
    splitGradient(caller, { ...passProblem(pass, false), shape, tensors, limits })
  const totals = needsTotals(dtype, passes, cut)
  return { totals, finishes: totals && lastPassFinishes(passes, cut, limits) }
}
