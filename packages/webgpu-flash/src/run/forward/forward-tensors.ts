// The tensors of a forward pass: what a plan expects of them, and how they can be read.
import { isPackedInWords } from '../../codegen/access.ts'
import {
  checkOptions,
  checkView,
  extent,
  isWritable,
  rangeError,
  shapeError,
  typeError,
} from '@attn/core'
import type { IntegerList, OptionNames, Optional, QuantizedType, Table } from '@attn/core'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { quantizedHalves } from '../../quantized-tensor.ts'
import type { QuantizedParts } from '../../quantized-tensor.ts'
import { heldKeys } from '../../plan/decode/key-places.ts'
import type { KeyPlaces } from '../../plan/decode/key-places.ts'
import type { ForwardPlan } from '../../plan/forward/forward-plan.ts'
import type { AppendedTokens } from '../cache/appended-tokens.ts'

/** Tensors a forward pass reads, all of the plan's dtype and shape. */
export interface ForwardInputs {
  /** `[B, H, L, D]`, any strides. */
  readonly query: GpuTensor
  /** `[B, Hkv, S, D]`, any strides. With `lengths: 'call'`, S is at most the plan's `keyLength`. */
  readonly key: GpuTensor
  /** `[B, Hkv, S, Dv]`, any strides. */
  readonly value: GpuTensor
  /** Values of the parameters that mask and score modifiers use. */
  readonly parameters?: Readonly<Record<string, number>> | undefined
  /**
   * Tensors to read in place of those that biases were made of by `biasFromGpuTensor`, each under its
   * `table`. Default: none.
   */
  readonly tables?: ReadonlyMap<Table, GpuTensor> | undefined
  /**
   * Of plans with `lengths: 'call'`, and required there: keys that count, of each sequence or of all;
   * what lies beyond is not read.
   */
  readonly keyLengths?: number | IntegerList | undefined
  /** Of the same plans: position of the first query. Default: key length - query length. */
  readonly queryOffset?: number | IntegerList | undefined
  /** Of the same plans: what a cache says of where queries stand, unless `queryOffset` does. */
  readonly appended?: AppendedTokens | undefined
  /** Of the same plans: what a cache says of where its keys lie. Default: each at the row of its position. */
  readonly places?: KeyPlaces | undefined
  /** Of the same plans: whether a cache turned the keys as they came. Default: false. */
  readonly keysTurned?: boolean | undefined
  /**
   * Of plans on the decode kernel (up to 16 queries, or `lengths: 'call'`): how key and value are quantised,
   * which are then views as `quantizedTensor` makes them, and those of a cache. Default: they are not.
   */
  readonly quantized?: QuantizedParts | undefined
}

/** Tensors a forward pass writes, each in a buffer of its own. */
export interface ForwardOutputs {
  /** `[B, H, L, Dv]`. */
  readonly output: GpuTensor
  /** `[B, H, L]`, float32, contiguous. */
  readonly logSumExp: GpuTensor
  /**
   * Where it is asked for: `[B, H, L]`, float32, contiguous. The largest score of each row after score
   * modifiers and mask, sinks left out; -Infinity for a row that sees no key.
   */
  readonly rowMaximum?: GpuTensor | undefined
}

/** What `forward` is given: tensors to write are made where they are left out. */
export interface ForwardRequest
  extends ForwardInputs, Optional<Omit<ForwardOutputs, 'rowMaximum'>> {
  /**
   * Whether to return the largest score of each row too (FlexAttention's `max_scores`), or where to
   * write it. It is computed apart, from the products of queries and keys once more, so that calls
   * which do not ask pay nothing. Default: false.
   */
  readonly rowMaximum?: boolean | GpuTensor | undefined
}

const forwardNames: OptionNames<ForwardInputs & ForwardOutputs> = {
  query: true,
  key: true,
  value: true,
  parameters: true,
  tables: true,
  keyLengths: true,
  queryOffset: true,
  appended: true,
  places: true,
  keysTurned: true,
  quantized: true,
  output: true,
  logSumExp: true,
  rowMaximum: true,
}
const atPlanTime = 'it where the plan is made: flash.plan(options)'
/** What is decided before a call. */
const ofThePlan = {
  mask: atPlanTime,
  scale: atPlanTime,
  scoremodifiers: atPlanTime,
  dropout: atPlanTime,
  sinks: atPlanTime,
  rope: atPlanTime,
  sequences: atPlanTime,
}

/** The tensors by name. */
export const forwardTensorNames = ['query', 'key', 'value', 'output', 'logSumExp'] as const
/** The name of one. */
export type ForwardTensorName = (typeof forwardTensorNames)[number]

const storageUsage = 0x80

/**
 * Checks the tensors of a call against its plan. Outputs may be left out.
 *
 * @throws RangeError for shapes, strides and buffers that do not fit, TypeError for other kinds.
 */
export function checkTensors(
  caller: string,
  { call: { shape, dtype, lengthsPerCall }, kind }: ForwardPlan,
  tensors: ForwardInputs & Optional<ForwardOutputs>,
  nativeFloat16: boolean,
): void {
  checkOptions(caller, tensors, forwardNames, ofThePlan)
  const { batch, heads, kvHeads, queryLength, headDim, valueDim } = shape
  const { quantized = {} } = tensors
  if (kind !== 'decode' && (quantized.key ?? quantized.value)) {
    throw rangeError(
      `${caller}: quantised keys and values are read by plans of up to 16 queries, and of any number with lengths: 'call', got one of ${queryLength} with fixed lengths`,
    )
  }
  const rowOf = (dim: number, type: QuantizedType | undefined): number =>
    type ? quantizedHalves(type, dim) : dim
  const keyLength = lengthsPerCall ? heldKeys(shape, tensors) : shape.keyLength
  const expected: Readonly<Record<ForwardTensorName, readonly number[]>> = {
    query: [batch, heads, queryLength, headDim],
    key: [batch, kvHeads, keyLength, rowOf(headDim, quantized.key)],
    value: [batch, kvHeads, keyLength, rowOf(valueDim, quantized.value)],
    output: [batch, heads, queryLength, valueDim],
    logSumExp: [batch, heads, queryLength],
  }
  for (const name of forwardTensorNames) {
    const view = tensors[name]
    const optional = name === 'output' || name === 'logSumExp'
    if (view === undefined && optional) continue
    const inHalves = (name === 'key' || name === 'value') && quantized[name] !== undefined
    const wantedType = name === 'logSumExp' ? 'float32' : inHalves ? 'float16' : dtype
    checkTensor(`${caller}: ${name}`, view, expected[name], wantedType)
  }
  const { output, logSumExp, rowMaximum } = tensors
  if (rowMaximum) checkTensor(`${caller}: rowMaximum`, rowMaximum, expected.logSumExp, 'float32')
  if (output) checkWritable(`${caller}: output`, output)
  if (output && isPackedInWords(dtype, nativeFloat16)) checkPacked(caller, output)
  for (const [name, view] of Object.entries({ logSumExp, rowMaximum })) {
    if (view && view.strides.join() !== [heads * queryLength, queryLength, 1].join()) {
      throw shapeError(
        `${caller}: ${name} must be contiguous, got strides [${view.strides.join(', ')}]`,
      )
    }
  }
  for (const name of ['output', 'logSumExp', 'rowMaximum'] as const) {
    const written = tensors[name]
    const other = forwardTensorNames.find(
      (candidate) => candidate !== name && tensors[candidate]?.storage === written?.storage,
    )
    if (written && other) {
      throw rangeError(
        `${caller}: ${name} must have a buffer of its own, but shares that of ${other}`,
      )
    }
  }
}

/**
 * Checks one tensor.
 *
 * @throws RangeError for a shape, view or buffer that does not fit, TypeError for another kind.
 */
export function checkTensor(
  what: string,
  view: GpuTensor | undefined,
  shape: readonly number[],
  dtype: string,
): void {
  if (typeof view !== 'object' || view === null) {
    throw typeError(`${what} must be a tensor in a GPUBuffer, got ${String(view)}`)
  }
  if (view.shape?.join() !== shape.join()) {
    throw shapeError(
      `${what} must have shape [${shape.join(', ')}], got [${view.shape?.join(', ')}]`,
    )
  }
  if (view.dtype !== dtype)
    throw typeError(`${what} must be ${dtype}, got ${view.dtype}`, 'ATTN_DTYPE')
  const { storage } = view
  if (typeof storage?.usage !== 'number') {
    throw typeError(`${what} must be in a GPUBuffer; flash.upload makes one of a CPU tensor`)
  }
  if ((storage.usage & storageUsage) === 0) {
    throw rangeError(`${what} needs a buffer with GPUBufferUsage.STORAGE`)
  }
  checkView(what, view)
  const [first, last] = extent(view)
  const end = Math.ceil(((last + 1) * elementBytes(view.dtype)) / 4) * 4
  if (first < 0 || end > storage.size) {
    throw shapeError(
      `${what} reaches from element ${first} to ${last}, beyond its buffer of ${storage.size} bytes`,
    )
  }
}

/**
 * Checks that no two elements of a tensor to be written share a place.
 *
 * @throws RangeError where they do.
 */
export function checkWritable(what: string, view: GpuTensor): void {
  if (!isWritable(view)) {
    throw shapeError(
      `${what} must have a place of its own for each element, got shape [${view.shape.join(', ')}] with strides [${view.strides.join(', ')}]`,
    )
  }
}

/**
 * Checks that halves which are stored in pairs can be written.
 *
 * @throws RangeError when a row begins or ends within a pair.
 */
export function checkPacked(caller: string, { strides, offset }: GpuTensor): void {
  const outer = [...strides.slice(0, 3), offset]
  if (strides[3] !== 1 || outer.some((value) => value % 2 !== 0)) {
    throw shapeError(
      `${caller}: without shader-f16 a float16 output needs dim stride 1 and other strides and offset even, got strides [${strides.join(', ')}] and offset ${offset}; use plan.createOutputs()`,
    )
  }
}
