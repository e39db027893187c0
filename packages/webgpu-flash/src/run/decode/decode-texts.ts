// The texts of decoding, made once for each way that the tensors of calls can be read.
import { contiguousStrides } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { decodeFields, lengthWords } from '../../kernels/decode/decode-frame.ts'
import { decodeMergeKernel } from '../../kernels/decode/decode-merge.wgsl.ts'
import { forwardFields, withOptionalFields } from '../../kernels/parameters.ts'
import type { Call } from '../../plan/call.ts'
import type { DecodeAccesses, DecodeKernel } from '../../plan/decode/decode-kernel.ts'
import { kernelFor } from '../../plan/decode/decode-plan.ts'
import type { DecodePlan } from '../../plan/decode/decode-plan.ts'
import type { PlacesText } from '../../plan/decode/key-places.ts'
import { remembered } from '../remembered-texts.ts'

/** The fields of the uniform block. */
export const decodeFieldsOf = ({ attention }: Call): readonly string[] =>
  withOptionalFields([...forwardFields, ...decodeFields], {
    sinks: attention.sinks !== undefined,
    dropout: attention.dropout !== undefined,
  })

/** What the two texts of a call have in common. */
const sharedConfig = (call: Call, places: PlacesText | undefined) => ({
  valueDim: call.shape.valueDim,
  sinks: call.attention.sinks !== undefined,
  places,
  fields: decodeFieldsOf(call),
  descriptorWords: call.layout.descriptorWords,
  parameterWords: call.layout.parameters.length,
})

/**
 * The text of a kernel.
 *
 * @param whole - Whether one workgroup has all keys of a row, so that nothing is to be merged.
 * @param places - Where keys lie; undefined for the rows of their positions.
 */
export function decodeText(
  { call, rules }: DecodePlan,
  kernel: DecodeKernel,
  accesses: DecodeAccesses,
  whole: boolean,
  places?: PlacesText,
): string {
  const name = `decode ${JSON.stringify([accesses, whole, places])}`
  return remembered(kernel, name, () =>
    kernel.text({
      ...sharedConfig(call, places),
      ...accesses,
      rules,
      shortText: call.shortText,
      headDim: call.shape.headDim,
      whole,
      dropout: call.attention.dropout !== undefined,
    }),
  )
}

/** The text that merges the parts of a kernel. */
export function decodeMergeText(
  { call }: DecodePlan,
  kernel: DecodeKernel,
  { output }: DecodeAccesses,
  places?: PlacesText,
): string {
  const name = `decode merge ${JSON.stringify([output, lengthWords(places)])}`
  return remembered(kernel, name, () =>
    decodeMergeKernel({ ...sharedConfig(call, places), output, slots: kernel.slots }),
  )
}

/** The texts of a plan for contiguous tensors: one workgroup a row, parts of rows, their merge. */
export function contiguousDecodeTexts(plan: DecodePlan): string[] {
  const { shape, dtype, lengthsPerCall } = plan.call
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const view = (...sizes: readonly number[]): GpuTensor => ({
    dtype,
    shape: sizes,
    strides: contiguousStrides(sizes),
    offset: 0,
    storage: undefined as unknown as GPUBuffer,
  })
  const tensors = {
    query: view(batch, heads, queryLength, headDim),
    key: view(batch, kvHeads, keyLength, headDim),
    value: view(batch, kvHeads, keyLength, valueDim),
    output: view(batch, heads, queryLength, valueDim),
  }
  const kernel = kernelFor(plan, tensors)
  const accesses = kernel.accesses(tensors)
  const whole = decodeText(plan, kernel, accesses, true)
  if (kernel.mostParts === 1) return [whole]
  const parts = [decodeText(plan, kernel, accesses, false), decodeMergeText(plan, kernel, accesses)]
  return lengthsPerCall ? [whole, ...parts] : parts
}
