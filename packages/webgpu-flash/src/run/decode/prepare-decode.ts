// A call of the decode kernel made ready to be encoded: lengths and uniform blocks in one buffer, cut
// into dispatches where bindings or the budget of work ask for it.
import { contiguousStrides } from '@attn/core'
import type { Access } from '../../codegen/access.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { decodeFields, lengthWords } from '../../kernels/decode/decode-frame.ts'
import { decodeKernel } from '../../kernels/decode/decode.wgsl.ts'
import type { DecodeAccess } from '../../kernels/decode/decode-loads.ts'
import type { DecodeConfig } from '../../kernels/decode/decode-config.ts'
import { decodeMergeKernel } from '../../kernels/decode/decode-merge.wgsl.ts'
import {
  floatWord,
  forwardFields,
  packParameters,
  withOptionalFields,
} from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import { count, cutDecode, decodeRanges } from '../../plan/decode/decode-dispatches.ts'
import type { Box, DecodingPlan } from '../../plan/decode/decode-dispatches.ts'
import { decodeLengths } from '../../plan/decode/decode-plan.ts'
import type { DecodeLengths } from '../../plan/decode/decode-plan.ts'
import { laneVectors } from '../../plan/decode/decode-tile.ts'
import { placesText } from '../../plan/decode/key-places.ts'
import type { ForwardPlan } from '../../plan/plan.ts'
import type { PlanHost } from '../attention-plan.ts'
import type { BoundPass } from '../forward/bound-pass.ts'
import { boundTensors, dropoutValues, parameterWords } from '../forward/forward-call.ts'
import type { BindingRanges } from '../forward/forward-call.ts'
import { callLengths } from '../forward/call-lengths.ts'
import { accessOf } from '../forward/forward-tensors.ts'
import type { ForwardInputs, ForwardOutputs } from '../forward/forward-tensors.ts'
import { remembered } from '../forward/forward-text.ts'
import type { Stage } from '../forward/prepare-forward.ts'

type Tensors = ForwardInputs & ForwardOutputs

const tensorNames = ['query', 'key', 'value', 'output'] as const
type TensorName = (typeof tensorNames)[number]

/** The stages of a call, and the words that its lengths take. */
export function prepareDecode(
  caller: string,
  { capabilities }: PlanHost,
  { plan, parts: scratch }: BoundPass,
  tensors: Tensors,
): { readonly stages: Stage[]; readonly lengths: Uint32Array } {
  const decoding = plan as DecodingPlan
  const { decode, shape, attention, visibility } = decoding
  const given = callLengths(caller, plan, tensors)
  const lengths = decodeLengths(decode, shape, visibility, given ?? attention, tensors.places)
  const configs = decodeConfigs(decoding, tensors, capabilities.shaderFloat16, lengths.parts === 1)
  const boxes = cutDecode(caller, decoding, boundTensors(tensors), lengths, capabilities.limits)
  const stage = (code: string, each: readonly Box[], merges: boolean): Stage => ({
    code,
    blockMap: undefined,
    dispatches: each.map((box) => {
      const ranges = decodeRanges(
        decoding,
        boundTensors(tensors),
        box,
        lengths,
        capabilities.limits,
      )
      return {
        ranges,
        words: blockOf(decoding, tensors, configs.kernel, ranges, box, lengths),
        workgroups: merges
          ? [
              shape.queryLength,
              (count(box.keyHeads) * shape.heads) / shape.kvHeads,
              count(box.batches),
            ]
          : [count(box.parts) * decode.rowTiles, count(box.keyHeads), count(box.batches)],
      }
    }),
  })
  const main = stage(textOf(decoding, configs.kernel), boxes, false)
  if (lengths.parts === 1) return { stages: [main], lengths: lengths.words }
  const first = boxes.filter(({ parts }) => parts.start === 0)
  const merge = stage(mergeTextOf(decoding, configs.merge), first, true)
  const { output, logSumExp } = scratch!
  return {
    stages: [
      { ...main, replaced: { output, logSumExp } },
      { ...merge, replaced: { query: output, key: logSumExp, value: logSumExp } },
    ],
    lengths: lengths.words,
  }
}

function textOf(plan: DecodingPlan, config: DecodeConfig): string {
  const { query, key, value, output, whole, places } = config
  const name = `decode ${JSON.stringify([query, key, value, output, whole, places])}`
  return remembered(plan, name, () => decodeKernel(config))
}

function mergeTextOf(plan: DecodingPlan, config: Parameters<typeof decodeMergeKernel>[0]): string {
  const name = `decode merge ${JSON.stringify([config.output, lengthWords(config.places)])}`
  return remembered(plan, name, () => decodeMergeKernel(config))
}

const fieldsOf = ({ attention }: ForwardPlan): readonly string[] =>
  withOptionalFields([...forwardFields, ...decodeFields], {
    sinks: attention.sinks !== undefined,
    dropout: attention.dropout !== undefined,
  })

/** The texts' configurations, for tensors that lie in memory as these do. */
function decodeConfigs(
  plan: DecodingPlan,
  tensors: Pick<Tensors, TensorName | 'places' | 'quantized'>,
  nativeFloat16: boolean,
  whole: boolean,
): { readonly kernel: DecodeConfig; readonly merge: Parameters<typeof decodeMergeKernel>[0] } {
  const { decode, shape, attention, layout } = plan
  const { tile, memory, rules } = decode
  const { headDim, valueDim } = shape
  const wide = (name: 'key' | 'value', dims: number): DecodeAccess => {
    const view = tensors[name]
    const quantized = tensors.quantized?.[name]
    if (quantized) {
      const wholeWords = [view.offset, ...view.strides.slice(0, 3)].every((at) => at % 2 === 0)
      const plain = { dtype: 'float16', nativeFloat16: false, vector: false, wide: false } as const
      return { ...plain, quantized, wholeWords }
    }
    const access = accessOf(view, nativeFloat16)
    const outer = view.strides.slice(0, 3).filter((_, axis) => view.shape[axis]! > 1)
    const inEights = [view.offset, dims, ...outer].every((at) => at % 8 === 0)
    const pairs = laneVectors(dims, tile.lanes) % 2 === 0
    return { ...access, wide: view.dtype !== 'float32' && access.vector && inEights && pairs }
  }
  const output = accessOf(tensors.output, nativeFloat16)
  const shared = {
    valueDim,
    output,
    sinks: attention.sinks !== undefined,
    places: placesText(tensors.places),
    fields: fieldsOf(plan),
    descriptorWords: layout.descriptorWords,
    parameterWords: layout.parameters.length,
  }
  return {
    kernel: {
      ...shared,
      tile,
      memory,
      rules,
      shortText: plan.shortText,
      headDim,
      whole,
      query: accessOf(tensors.query, nativeFloat16),
      key: wide('key', headDim),
      value: wide('value', valueDim),
      dropout: attention.dropout !== undefined,
    },
    merge: { ...shared, slots: tile.threads / tile.lanes },
  }
}

/** The texts of a plan for contiguous tensors: one workgroup a row, parts of rows, their merge. */
export function contiguousDecodeTexts(plan: ForwardPlan, nativeFloat16: boolean): string[] {
  const { shape, dtype, decode } = plan as DecodingPlan
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
  const decoding = plan as DecodingPlan
  const { kernel, merge } = decodeConfigs(decoding, tensors, nativeFloat16, true)
  const whole = textOf(decoding, kernel)
  if (decode.mostParts === 1) return [whole]
  const parts = [textOf(decoding, { ...kernel, whole: false }), mergeTextOf(decoding, merge)]
  return decode.lengthsPerCall ? [whole, ...parts] : parts
}

function blockOf(
  plan: DecodingPlan,
  tensors: Tensors,
  accesses: Pick<DecodeConfig, TensorName>,
  ranges: BindingRanges,
  { batches, keyHeads, parts }: Box,
  lengths: DecodeLengths,
): Uint32Array {
  const { shape, attention, data, decode } = plan
  const values: Record<string, number> = {
    ...Object.fromEntries(forwardFields.map((name) => [name, 0])),
    logSumExpOffset: tensors.logSumExp.offset - ranges.logSumExp.offset / 4,
    queryLength: shape.queryLength,
    keyLength: shape.keyLength,
    heads: shape.heads,
    headsPerKeyHead: shape.heads / shape.kvHeads,
    headBase: keyHeads.start,
    batchBase: batches.start,
    scale: floatWord(attention.scale),
    negativeInfinity: floatWord(-Infinity),
    rowTiles: decode.rowTiles,
    parts: lengths.parts,
    partBase: parts.start,
    partChunks: lengths.partChunks,
    sinkBase: 2 * shape.batch,
    ...dropoutValues(attention),
  }
  for (const name of tensorNames) {
    const view = tensors[name]
    const access: Access & { readonly wide?: boolean } = accesses[name]
    const unit = access.wide ? 8 : access.vector ? 4 : 1
    Object.assign(values, addressValues(name, view, unit, ranges[name].offset))
  }
  const parameters = parameterWords(plan, tensors.parameters ?? {})
  return packParameters(fieldsOf(plan), values, data.descriptors, parameters)
}
