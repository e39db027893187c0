// One dispatch of a forward pass in numbers: the bytes it binds, and its uniform block.
import type { AttentionShape, ResolvedAttention } from '@attn/core'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { floatWord } from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import { boundRange, touched } from '../../plan/dispatch.ts'
import type { BoundRange, BoundTensor, Dispatch } from '../../plan/dispatch.ts'
import type { Call } from '../../plan/call.ts'
import type { ForwardAccesses } from '../../plan/forward/pass-text.ts'
import type { ForwardPass } from '../../plan/forward/passes.ts'
import type { ForwardInputs, ForwardOutputs, ForwardTensorName } from './forward-tensors.ts'

/** The tensors as they are bound. */
export function boundTensors(
  tensors: Readonly<Record<ForwardTensorName, GpuTensor>>,
): Readonly<Record<ForwardTensorName, BoundTensor>> {
  const bound = (name: ForwardTensorName, follows: BoundTensor['follows']): BoundTensor => ({
    view: tensors[name],
    elementBytes: elementBytes(tensors[name].dtype),
    follows,
  })
  return {
    query: bound('query', 'queries'),
    key: bound('key', 'keys'),
    value: bound('value', 'keys'),
    output: bound('output', 'queries'),
    logSumExp: bound('logSumExp', 'queries'),
  }
}

/** The part of each tensor that a dispatch binds. */
export type BindingRanges = Readonly<Record<ForwardTensorName, BoundRange>>

/** The part of each tensor that a dispatch binds; see {@link touched} for `anyRow`. */
export function bindingRanges(
  { call: { shape }, kernel: { tile }, orders }: ForwardPass,
  tensors: Readonly<Record<ForwardTensorName, BoundTensor>>,
  dispatch: Dispatch,
  alignment: number,
  anyRow: boolean,
): BindingRanges {
  const anyKey = orders?.keyOrder !== undefined
  const { rows, keys, keyHeads } = touched(shape, tile, dispatch, anyRow, anyKey)
  const part = (name: ForwardTensorName): BoundRange => {
    const [heads, range] =
      tensors[name].follows === 'queries' ? [dispatch.heads, rows] : [keyHeads, keys]
    return boundRange(tensors[name], alignment, dispatch.batches, heads, range)
  }
  return {
    query: part('query'),
    key: part('key'),
    value: part('value'),
    output: part('output'),
    logSumExp: part('logSumExp'),
  }
}

/** The uniform block's fields; offsets are from the start of the bound range. */
export function parameterFields(
  { call: { shape, attention }, packedMap, blockMap }: ForwardPass,
  tensors: ForwardInputs & ForwardOutputs,
  accesses: ForwardAccesses,
  ranges: BindingRanges,
  dispatch: Dispatch,
): Record<string, number> {
  const fields: Record<string, number> = {
    logSumExpOffset: tensors.logSumExp.offset - ranges.logSumExp.offset / 4,
    queryLength: shape.queryLength,
    keyLength: shape.keyLength,
    heads: shape.heads,
    headsPerKeyHead: shape.heads / shape.kvHeads,
    queryTileBase: dispatch.queryTiles.start,
    headBase: dispatch.heads.start,
    batchBase: dispatch.batches.start,
    keyTileBegin: dispatch.keyTiles.start,
    keyTileEnd: dispatch.keyTiles.end,
    mergeWithOutput: dispatch.merge ? 1 : 0,
    mapQueryTiles: blockMap?.queryBlocks ?? 0,
    mapHeads: blockMap?.heads ?? 0,
    mapBatches: blockMap?.batch ?? 0,
    mapRunsBase: packedMap?.runsBase ?? 0,
    mapOrderBase: packedMap?.orderBase ?? 0,
    scale: floatWord(attention.scale),
    ...optionalFields(shape, attention),
    negativeInfinity: floatWord(-Infinity),
  }
  for (const name of ['query', 'key', 'value', 'output'] as const) {
    const view = tensors[name]
    const unit = accesses[name].vector ? 4 : 1
    Object.assign(fields, addressValues(name, view, unit, ranges[name].offset))
  }
  return fields
}

/** Where the sinks lie in `data`, and dropout's numbers; 0 where there are none. */
function optionalFields(
  { batch }: AttentionShape,
  attention: ResolvedAttention,
): Record<string, number> {
  return { sinkBase: 2 * batch, ...dropoutValues(attention) }
}

/** Dropout's fields of the uniform block; 0 where there is none. */
export function dropoutValues({ dropout }: ResolvedAttention): Record<string, number> {
  return {
    dropoutThreshold: dropout?.threshold ?? 0,
    dropoutScale: floatWord(dropout?.scale ?? 1),
    dropoutKeyLow: dropout?.key[0] ?? 0,
    dropoutKeyHigh: dropout?.key[1] ?? 0,
  }
}

/** Values of the parameters that expressions use, as words. */
export function parameterWords(
  { layout }: Pick<Call, 'layout'>,
  values: Readonly<Record<string, number>>,
): Uint32Array {
  return Uint32Array.from(layout.parameters, ({ name, type }) =>
    type === 'float' ? floatWord(values[name]!) : values[name]! >>> 0,
  )
}
