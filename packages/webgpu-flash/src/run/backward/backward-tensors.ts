// The tensors of a backward pass: what a plan expects of them, and the gradients it makes.
import { checkOptions, contiguousStrides, rangeError, shapeError } from '@attn/core'
import type { AttentionShape, DType, Optional, OptionNames, Table } from '@attn/core'
import { isPackedInWords } from '../../codegen/access.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { SharedGradient } from '../../kernels/backward/sum-parts.wgsl.ts'
import { followsKeys, splitTensors } from '../../kernels/backward/split/powers.ts'
import type { SplitTensor } from '../../kernels/backward/split/powers.ts'
import { halvesOf } from '../../kernels/backward/split/halve-rows.wgsl.ts'
import { copyShape } from '../../plan/backward/gradient-parts.ts'
import type { SharedRows } from '../../plan/backward/gradient-parts.ts'
import { totalShape } from '../../plan/backward/gradient-totals.ts'
import { halvesShape } from '../../plan/backward/split-storage.ts'
import type { BoundTensor } from '../../plan/dispatch.ts'
import type { Call } from '../../plan/call.ts'
import { checkPacked, checkTensor, checkWritable } from '../forward/forward-tensors.ts'

/** Tensors a backward pass reads. */
export interface BackwardInputs {
  /** `[B, H, L, D]`, any strides, as in the forward pass. */
  readonly query: GpuTensor
  /** `[B, Hkv, S, D]`. */
  readonly key: GpuTensor
  /** `[B, Hkv, S, Dv]`. */
  readonly value: GpuTensor
  /** `[B, H, L, Dv]`: what the forward pass returned. */
  readonly output: GpuTensor
  /** `[B, H, L]`, float32, contiguous: what the forward pass returned. */
  readonly logSumExp: GpuTensor
  /** `[B, H, L, Dv]`: gradient of the loss by the output, any strides. */
  readonly dOutput: GpuTensor
  /** Those of the forward pass. */
  readonly parameters?: Readonly<Record<string, number>> | undefined
  /**
   * Tensors to read in place of those that biases were made of by `biasFromGpuTensor`, each under its
   * `table`. Default: none.
   */
  readonly tables?: ReadonlyMap<Table, GpuTensor> | undefined
}

/** Tensors a backward pass writes, each in a buffer of its own. */
export interface BackwardOutputs {
  /** `[B, H, L, D]`. */
  readonly dQuery: GpuTensor
  /** `[B, Hkv, S, D]`: summed over the query heads that share a key head. */
  readonly dKey: GpuTensor
  /** `[B, Hkv, S, Dv]`. */
  readonly dValue: GpuTensor
  /** For each trainable table of the score modifiers, float32, contiguous, in its shape. */
  readonly dTables: ReadonlyMap<Table, GpuTensor>
  /** `[H]`, float32, where the plan has sinks. */
  readonly dSinks?: GpuTensor | undefined
}

/** Tensors that kernels address by strides. */
export const backwardTensorNames = [
  'query',
  'key',
  'value',
  'output',
  'logSumExp',
  'dOutput',
  'dQuery',
  'dKey',
  'dValue',
] as const
/** The name of one. */
export type BackwardTensorName = (typeof backwardTensorNames)[number]

const backwardNames: OptionNames<BackwardInputs & BackwardOutputs> = {
  query: true,
  key: true,
  value: true,
  output: true,
  logSumExp: true,
  dOutput: true,
  parameters: true,
  tables: true,
  dQuery: true,
  dKey: true,
  dValue: true,
  dTables: true,
  dSinks: true,
}

const written = ['dQuery', 'dKey', 'dValue'] as const

/** The shape of each tensor of a plan. */
export function backwardShapes({
  shape: { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim },
}: Call): Readonly<Record<BackwardTensorName, readonly number[]>> {
  const query = [batch, heads, queryLength, headDim]
  const key = [batch, kvHeads, keyLength, headDim]
  const value = [batch, kvHeads, keyLength, valueDim]
  const output = [batch, heads, queryLength, valueDim]
  const logSumExp = [batch, heads, queryLength]
  return {
    query,
    key,
    value,
    output,
    logSumExp,
    dOutput: output,
    dQuery: query,
    dKey: key,
    dValue: value,
  }
}

/**
 * Checks the tensors of a call against its plan. Gradients may be left out.
 *
 * @throws RangeError for shapes, strides and buffers that do not fit, TypeError for other kinds.
 */
export function checkBackwardTensors(
  caller: string,
  planned: Call,
  tensors: BackwardInputs & Optional<BackwardOutputs>,
  nativeFloat16: boolean,
): void {
  checkOptions(caller, tensors, backwardNames)
  const shapes = backwardShapes(planned)
  for (const name of backwardTensorNames) {
    const view = tensors[name]
    if (view === undefined && (written as readonly string[]).includes(name)) continue
    const dtype = name === 'logSumExp' ? 'float32' : planned.dtype
    checkTensor(`${caller}: ${name}`, view, shapes[name], dtype)
  }
  const { heads, queryLength } = planned.shape
  const { strides } = tensors.logSumExp
  if (strides.join() !== [heads * queryLength, queryLength, 1].join()) {
    throw shapeError(`${caller}: logSumExp must be contiguous, got strides [${strides.join(', ')}]`)
  }
  for (const [table, gradient] of tensors.dTables ?? []) {
    checkTensor(`${caller}: gradient of table ${table.name}`, gradient, table.shape, 'float32')
  }
  if (tensors.dSinks) checkTensor(`${caller}: dSinks`, tensors.dSinks, [heads], 'float32')
  for (const name of written) {
    const view = tensors[name]
    if (!view) continue
    checkWritable(`${caller}: ${name}`, view)
    if (isPackedInWords(planned.dtype, nativeFloat16)) checkPacked(caller, view)
    const other = backwardTensorNames.find(
      (candidate) => candidate !== name && tensors[candidate]?.storage === view.storage,
    )
    if (other) {
      throw rangeError(
        `${caller}: ${name} must have a buffer of its own, but shares that of ${other}`,
      )
    }
  }
}

/** A tensor whose buffer is made later. */
type UnboundView = Omit<GpuTensor, 'storage'> & { readonly storage: undefined }

const contiguousView = (dtype: DType, shape: readonly number[]): UnboundView => ({
  dtype,
  shape,
  strides: contiguousStrides(shape),
  offset: 0,
  storage: undefined,
})

/** The first copy of a gradient as a tensor. */
export function partsView(
  shape: AttentionShape,
  rows: SharedRows,
  name: SharedGradient,
): UnboundView {
  return contiguousView('float32', copyShape(shape, rows, name))
}

/** The total of a gradient as a tensor. */
export function totalView(shape: AttentionShape, name: SharedGradient): UnboundView {
  return contiguousView('float32', totalShape(shape, name))
}

/** The gradient that a name is the total of. */
export const totalledGradient = (name: unknown): SharedGradient | undefined =>
  written.find((gradient) => `${gradient}Total` === name)

/** The halves of a tensor as one. */
export function halvesView(shape: AttentionShape, name: SplitTensor): UnboundView {
  return contiguousView('float16', halvesShape(shape, name))
}

/**
 * What is bound in part where it is too large: a tensor of the call, or what is kept of its rows.
 *
 * @param rowBytes - Bytes that are kept of a row.
 */
export function boundTensorOf(
  name: unknown,
  tensors: BackwardInputs & BackwardOutputs,
  shape: AttentionShape,
  rowBytes: number,
): BoundTensor | undefined {
  const { batch, heads, queryLength } = shape
  if (name === 'softmaxRows') {
    const words = rowBytes / 4
    const row = words * queryLength
    return {
      view: {
        dtype: 'float32',
        shape: [batch, heads, queryLength, words],
        strides: [heads * row, row, words, 1],
        offset: 0,
        storage: undefined,
      },
      elementBytes: 4,
      follows: 'queries',
    }
  }
  const split = splitTensors.find((one) => halvesOf(one) === name)
  if (split) {
    const follows = followsKeys(split) ? 'keys' : 'queries'
    return { view: halvesView(shape, split), elementBytes: 2, follows }
  }
  const total = totalledGradient(name)
  if (total) {
    const follows = total === 'dQuery' ? 'queries' : 'keys'
    return { view: totalView(shape, total), elementBytes: 4, follows }
  }
  const known = backwardTensorNames.find((candidate) => candidate === name)
  if (!known) return undefined
  const view = tensors[known]
  const ofKeys = ['key', 'value', 'dKey', 'dValue'].includes(known)
  return {
    view,
    elementBytes: elementBytes(view.dtype),
    follows: ofKeys ? 'keys' : 'queries',
  }
}
