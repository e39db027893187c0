// The texts of decoding for tensors that lie in memory as those of a call do: on subgroup matrices where the plan
// has a tile for them, the device the memory and the tensors whole vectors, otherwise on the kernel for any.
import { contiguousStrides } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { DecodeConfig } from '../../kernels/decode/decode-config.ts'
import { decodeFields, lengthWords } from '../../kernels/decode/decode-frame.ts'
import type { DecodeAccess } from '../../kernels/decode/decode-loads.ts'
import { decodeMergeKernel } from '../../kernels/decode/decode-merge.wgsl.ts'
import type { DecodeMergeConfig } from '../../kernels/decode/decode-merge.wgsl.ts'
import { decodeKernel } from '../../kernels/decode/decode.wgsl.ts'
import type { DecodeMatrixConfig } from '../../kernels/decode/matrix/config.ts'
import { decodeMatrixKernel } from '../../kernels/decode/matrix/decode-matrix.wgsl.ts'
import { forwardFields, withOptionalFields } from '../../kernels/parameters.ts'
import { decodeMatrixMemory } from '../../plan/decode/decode-matrix-tile.ts'
import type { DecodeMatrixPlan, DecodePlan } from '../../plan/decode/decode-plan.ts'
import type { DecodeSpread } from '../../plan/decode/decode-spread.ts'
import { laneVectors } from '../../plan/decode/decode-tile.ts'
import { placesText } from '../../plan/decode/key-places.ts'
import type { Call } from '../../plan/call.ts'
import { accessOf } from '../forward/forward-tensors.ts'
import type { ForwardInputs, ForwardOutputs } from '../forward/forward-tensors.ts'
import { remembered } from '../remembered-texts.ts'

type DecodeTensors = Pick<
  ForwardInputs & ForwardOutputs,
  'query' | 'key' | 'value' | 'output' | 'places' | 'quantized'
>

/** Configurations of a call's two texts. */
export interface DecodeConfigs {
  readonly kernel: DecodeConfig | DecodeMatrixConfig
  readonly merge: DecodeMergeConfig
}

/** The text of the kernel, on matrices or without. */
export function decodeText(plan: DecodePlan, config: DecodeConfig | DecodeMatrixConfig): string {
  const { query, key, value, output, whole, places } = config
  const matrix = 'matrix' in config.tile
  const name = `decode ${JSON.stringify([query, key, value, output, whole, places, matrix])}`
  return remembered(plan, name, () =>
    isOnMatrices(config) ? decodeMatrixKernel(config) : decodeKernel(config),
  )
}

/** The text that merges parts. */
export function decodeMergeText(plan: DecodePlan, config: DecodeMergeConfig): string {
  const name = `decode merge ${JSON.stringify([config.output, lengthWords(config.places), config.slots])}`
  return remembered(plan, name, () => decodeMergeKernel(config))
}

/** The fields of the uniform block. */
export const decodeFieldsOf = ({ attention }: Call): readonly string[] =>
  withOptionalFields([...forwardFields, ...decodeFields], {
    sinks: attention.sinks !== undefined,
    dropout: attention.dropout !== undefined,
  })

/** The texts' configurations, for tensors that lie in memory as these do. */
function decodeConfigs(
  plan: DecodePlan,
  tensors: DecodeTensors,
  nativeFloat16: boolean,
  whole: boolean,
): DecodeConfigs & { readonly kernel: DecodeConfig } {
  const { call, tile, memory, rules } = plan
  const { shape, attention, layout, shortText } = call
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
    fields: decodeFieldsOf(call),
    descriptorWords: layout.descriptorWords,
    parameterWords: layout.parameters.length,
  }
  return {
    kernel: {
      ...shared,
      tile,
      memory,
      rules,
      shortText,
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

function isOnMatrices(config: DecodeConfig | DecodeMatrixConfig): config is DecodeMatrixConfig {
  return 'matrix' in config.tile
}

/** The plan on matrices, where the tensors of a call lie as it needs them. */
function onMatrices(
  { call: { shape }, matrix }: DecodePlan,
  tensors: DecodeTensors,
): DecodeMatrixPlan | undefined {
  if (!matrix) return undefined
  const fits = (name: 'key' | 'value', dims: number): boolean => {
    const view = tensors[name]
    const quantized = tensors.quantized?.[name]
    // Of blocks two at a time are read, in whole words.
    if (quantized && dims % 64 !== 0) return false
    const unit = quantized ? 2 : 8
    const outer = view.strides.slice(0, 3).filter((_, axis) => view.shape[axis]! > 1)
    return view.strides[3] === 1 && [view.offset, ...outer].every((at) => at % unit === 0)
  }
  return fits('key', shape.headDim) && fits('value', shape.valueDim) ? matrix : undefined
}

/** The configurations of the texts on matrices. */
function matrixConfigs(
  plan: DecodePlan,
  { tile }: DecodeMatrixPlan,
  tensors: DecodeTensors,
  whole: boolean,
): DecodeConfigs {
  const { headDim, valueDim } = plan.call.shape
  const staged = (name: 'key' | 'value'): DecodeAccess => {
    const quantized = tensors.quantized?.[name]
    const access = { dtype: 'float16', nativeFloat16: true, vector: true } as const
    return quantized ? { ...access, wide: false, quantized, atOnce: 2 } : { ...access, wide: true }
  }
  const { kernel, merge } = decodeConfigs(plan, tensors, true, whole)
  return {
    kernel: {
      ...kernel,
      tile,
      memory: decodeMatrixMemory(tile, headDim, valueDim),
      rules: plan.rules,
      key: staged('key'),
      value: staged('value'),
    },
    merge: { ...merge, slots: 1 },
  }
}

/** How a call is computed. */
export interface DecodeVariant {
  readonly spread: DecodeSpread
  /** Configurations of the texts, where one workgroup has all keys of a row or where parts are merged. */
  readonly configsOf: (whole: boolean) => DecodeConfigs
}

/** On matrices where there are some and the tensors lie so, otherwise without. */
export function decodeVariant(
  plan: DecodePlan,
  tensors: DecodeTensors,
  capabilities: Capabilities,
): DecodeVariant {
  const matrix = onMatrices(plan, tensors)
  if (matrix) {
    return {
      spread: matrix,
      configsOf: (whole) => matrixConfigs(plan, matrix, tensors, whole),
    }
  }
  return {
    spread: plan,
    configsOf: (whole) => decodeConfigs(plan, tensors, capabilities.shaderFloat16, whole),
  }
}

/** The texts of a plan for contiguous tensors: one workgroup a row, parts of rows, their merge. */
export function contiguousDecodeTexts(plan: DecodePlan, capabilities: Capabilities): string[] {
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
  const { spread, configsOf } = decodeVariant(plan, tensors, capabilities)
  const { kernel, merge } = configsOf(true)
  const whole = decodeText(plan, kernel)
  if (spread.mostParts === 1) return [whole]
  const inParts = configsOf(false).kernel
  const parts = [decodeText(plan, inParts), decodeMergeText(plan, merge)]
  return lengthsPerCall ? [whole, ...parts] : parts
}
