// What a call for attention weights is given, checked and with its defaults filled in.
import {
  checkOptions,
  checkParameters,
  contiguousStrides,
  rangeError,
  resolveWeights,
  shapeError,
} from '@attn/core'
import type {
  Optional,
  OptionNames,
  QuantizedType,
  ResolvedWeights,
  WeightsSelection,
} from '@attn/core'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { BoundTensor } from '../../plan/dispatch.ts'
import { quantizedHalves } from '../../quantized-tensor.ts'
import { heldKeys } from '../../plan/decode/key-places.ts'
import type { KeyPlaces } from '../../plan/decode/key-places.ts'
import type { Call } from '../../plan/call.ts'
import type { WeightsKind } from '../../kernels/weights/weights.wgsl.ts'
import type { AppendedTokens } from '../cache/appended-tokens.ts'
import { callLengths, inputsOfCall } from '../forward/call-lengths.ts'
import type { CallLengths } from '../forward/call-lengths.ts'
import { checkTensor, checkWritable } from '../forward/forward-tensors.ts'
import type { ForwardInputs } from '../forward/forward-tensors.ts'

/** What weights are computed from, and which. */
export interface WeightsInputs extends Omit<ForwardInputs, 'value'>, WeightsSelection {
  /** `[B, H, L]`, what the forward pass returned for the same query and key. */
  readonly logSumExp: GpuTensor
  /** Not read: the inputs of a cache may be given as they are. */
  readonly value?: GpuTensor | undefined
}

/** Where they go: float32, row-major. */
export interface WeightsOutput {
  readonly weights: GpuTensor
}

/** A call in the words of its plan. */
export interface WeightsCall {
  readonly kind: WeightsKind
  readonly query: GpuTensor
  readonly key: GpuTensor
  readonly logSumExp: GpuTensor
  readonly choice: ResolvedWeights
  readonly lengths: CallLengths
  /** Whether the lengths came with the call. */
  readonly ownLengths: boolean
  /** Where queries of a cache stand; see ForwardInputs. */
  readonly appended?: AppendedTokens | undefined
  /** Where its keys lie, and as what. */
  readonly places?: KeyPlaces | undefined
  readonly quantized?: QuantizedType | undefined
  readonly parameters: Readonly<Record<string, number>>
  readonly tables: WeightsInputs['tables']
}

const names: OptionNames<WeightsInputs & WeightsOutput> = {
  query: true,
  key: true,
  value: true,
  logSumExp: true,
  parameters: true,
  tables: true,
  keyLengths: true,
  queryOffset: true,
  appended: true,
  places: true,
  keysTurned: true,
  quantized: true,
  queries: true,
  heads: true,
  reduce: true,
  weights: true,
}

/**
 * Checks a call for weights.
 *
 * @throws RangeError or TypeError for what does not fit the plan.
 */
export function weightsCall(
  caller: string,
  planned: Call,
  given: WeightsInputs & Optional<WeightsOutput>,
): WeightsCall {
  checkOptions(caller, given, names)
  const { shape, dtype, attention, lengthsPerCall } = planned
  const { batch, heads, kvHeads, queryLength, headDim } = shape
  const inputs = inputsOfCall(caller, planned, { ...given, value: given.value ?? given.key })
  const { places, quantized } = given
  const held = lengthsPerCall ? heldKeys(shape, inputs) : shape.keyLength
  // Columns are positions, in a ring its rows.
  const keyLength = places?.kind === 'pages' ? shape.keyLength : held
  const type = quantized?.key
  const { query, key, logSumExp, parameters = {} } = inputs
  checkTensor(`${caller}: query`, query, [batch, heads, queryLength, headDim], dtype)
  const row = type ? quantizedHalves(type, headDim) : headDim
  checkTensor(`${caller}: key`, key, [batch, kvHeads, held, row], type ? 'float16' : dtype)
  checkTensor(`${caller}: logSumExp`, logSumExp, [batch, heads, queryLength], 'float32')
  checkParameters(caller, { ...attention, parameters })
  const own = callLengths(caller, planned, inputs)
  const choice = resolveWeights(caller, { ...shape, keyLength }, given)
  const { weights } = given
  if (weights) {
    checkTensor(`${caller}: weights`, weights, choice.shape, 'float32')
    checkWritable(`${caller}: weights`, weights)
    if (weights.strides.join() !== contiguousStrides(choice.shape).join()) {
      throw shapeError(
        `${caller}: weights must be contiguous, got strides [${weights.strides.join(', ')}]`,
      )
    }
    if ([query, key, logSumExp].some(({ storage }) => storage === weights.storage)) {
      throw rangeError(
        `${caller}: weights must have a buffer of its own, but shares that of an input`,
      )
    }
  }
  return {
    kind: choice.reduce,
    query,
    key,
    logSumExp,
    choice,
    lengths: own ?? attention,
    ownLengths: own !== undefined,
    appended: inputs.appended,
    places,
    quantized: type,
    parameters,
    tables: given.tables,
  }
}

/** The tensors as they are bound; a result has an axis of heads where it has rows. */
export function weightsBound(
  { kind, query, key, logSumExp }: WeightsCall,
  weights: GpuTensor,
): Readonly<Record<'query' | 'key' | 'logSumExp' | 'weights', BoundTensor>> {
  const bound = (view: GpuTensor, follows: BoundTensor['follows']): BoundTensor => ({
    view,
    elementBytes: elementBytes(view.dtype),
    follows,
  })
  const [batch, rows, keys] = weights.shape as [number, number, number]
  const shape = kind === 'mean over heads' ? [batch, 1, rows, keys] : weights.shape
  return {
    query: bound(query, 'queries'),
    key: bound(key, 'keys'),
    logSumExp: bound(logSumExp, 'queries'),
    weights: bound({ ...weights, shape, strides: contiguousStrides(shape) }, 'queries'),
  }
}
