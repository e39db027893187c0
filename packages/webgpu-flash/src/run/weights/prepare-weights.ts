// A call for attention weights made ready to be encoded: cut into dispatches, its kernel compiled, its
// words uploaded. All of it holds for every call with the same strides, lengths and choice.
import type { GpuTensor } from '../../gpu-tensor.ts'
import { floatWord, packParameters } from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import {
  weightsFields,
  weightsFieldsOf,
  weightsKernel,
} from '../../kernels/weights/weights.wgsl.ts'
import { placesKey, placesText, ringWords } from '../../plan/decode/key-places.ts'
import { rulesOfPairs } from '../../plan/call.ts'
import type { Call } from '../../plan/call.ts'
import { cutWeights } from '../../plan/weights/cut-weights.ts'
import type { WeightsDispatch } from '../../plan/weights/cut-weights.ts'
import { weightsTile } from '../../plan/weights/weights-tile.ts'
import type { PlanHost } from '../plan-host.ts'
import { parameterWords } from '../forward/forward-call.ts'
import { accessOf } from '../../plan/access-of.ts'
import { remembered } from '../remembered-texts.ts'
import { joinBlocks } from '../join-blocks.ts'
import { kernelPipeline } from '../pipelines.ts'
import { weightsBound } from './weights-tensors.ts'
import type { WeightsCall } from './weights-tensors.ts'

/** What the kernel binds after its uniform block; true where written. */
export const weightsBindings: readonly boolean[] = [false, false, false, true, false, false]
const uniformAndStorage = 0x40 | 0x80 | 0x08

/** A call, ready to be encoded. */
export interface PreparedWeights {
  readonly uniforms: GPUBuffer
  /** Lengths of the sequences, and the heads asked for. */
  readonly chosen: GPUBufferBinding
  readonly pipeline: GPUComputePipeline
  readonly dispatches: readonly (WeightsDispatch & { readonly block: GPUBufferBinding })[]
}

/** All that calls may differ in. */
export function weightsCallKey(
  { kind, query, key, logSumExp, choice, lengths, parameters, places, quantized }: WeightsCall,
  result: GpuTensor,
): string {
  const views = [query, key, logSumExp, result].map(
    ({ offset, strides, shape }) => `${offset}:${strides.join()}:${shape.join()}`,
  )
  const { queries, heads } = choice
  return [
    kind,
    ...views,
    ...Object.entries(parameters).map((entry) => entry.join('=')),
    lengths.keyLengths.join(),
    lengths.queryOffsets.join(),
    queries.start,
    queries.end,
    heads.join(),
    placesKey(places),
    quantized,
  ].join(';')
}

/**
 * Prepares a call.
 *
 * @throws UnsupportedError when the tensors do not fit the device's bindings.
 */
export function prepareWeights(
  caller: string,
  { device, buffers, capabilities }: PlanHost,
  planned: Call,
  call: WeightsCall,
  result: GpuTensor,
): PreparedWeights {
  const { shape, layout, shortText, workBudget } = planned
  const { kind, choice, lengths, quantized } = call
  const places = placesText(call.places)
  // In a ring each pair names its own positions.
  const rules = places?.kind === 'ring' ? rulesOfPairs(planned) : planned.rules
  const tile = weightsTile(choice.queries.end - choice.queries.start, capabilities)
  const accesses = {
    query: accessOf(call.query, capabilities.shaderFloat16),
    key: accessOf(call.key, capabilities.shaderFloat16),
  }
  const config = {
    kind,
    ...tile,
    ...accesses,
    quantized,
    places,
    headDim: shape.headDim,
    rules,
    shortText,
    descriptorWords: layout.descriptorWords,
    parameterWords: layout.parameters.length,
  }
  const name = `weights ${kind} ${tile.grid.tileRows} ${JSON.stringify([accesses, quantized, places])}`
  const code = remembered(planned, name, () => weightsKernel(config))
  const keys = choice.shape.at(-1)!
  const dispatches = cutWeights(caller, {
    kind,
    choice,
    sizes: { batch: shape.batch, keys, headDim: shape.headDim },
    // Pages may be anywhere.
    ...(places?.kind === 'pages' ? { anyKey: call.key.shape[2]! } : {}),
    group: shape.heads / shape.kvHeads,
    tile: { queries: tile.grid.tileRows, keys: tile.grid.tileColumns },
    tensors: weightsBound(call, result),
    limits: { ...capabilities.limits, workBudget },
  })
  const own = placesWords(call, shape.batch)
  const placesBase = 2 * shape.batch + choice.heads.length
  const chosen = new Uint32Array(placesBase + own.length)
  chosen.set(own, placesBase)
  for (let b = 0; b < shape.batch; b++) {
    // Packed sequences are one entry of the batch.
    chosen[2 * b] = lengths.queryOffsets[b]!
    chosen[2 * b + 1] = lengths.keyLengths[b]!
  }
  chosen.set(choice.heads, 2 * shape.batch)
  const { minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment } = device.limits
  const { words, blocks } = joinBlocks(
    [
      chosen,
      ...dispatches.map((each) => {
        const placesStride = own.length / shape.batch
        return block(planned, call, result, accesses, { placesBase, placesStride }, each)
      }),
    ],
    Math.max(minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment),
  )
  const uniforms = buffers.upload('weights of attention', words, uniformAndStorage)
  return {
    uniforms,
    chosen: { buffer: uniforms, ...blocks[0]! },
    pipeline: kernelPipeline(device, { label: 'attn weights', bindings: weightsBindings, code }),
    dispatches: dispatches.map((each, index) => ({
      ...each,
      block: { buffer: uniforms, ...blocks[index + 1]! },
    })),
  }
}

/** What the kernel has to know of where keys lie, as many words for each sequence. */
function placesWords({ places, lengths }: WeightsCall, batch: number): number[] {
  if (!places) return []
  const sequences = Array.from({ length: batch }, (_, sequence) => sequence)
  if (places.kind === 'ring') {
    return sequences.flatMap((sequence) => [
      ...ringWords(places, sequence, lengths.keyLengths[sequence]!),
    ])
  }
  const most = Math.max(1, ...places.tables.map(({ length }) => length))
  return sequences.flatMap((sequence) => {
    const pages = places.tables[sequence]!
    return [...pages, ...Array.from({ length: most - pages.length }, () => 0)]
  })
}

/** The uniform block of a dispatch. */
function block(
  planned: Call,
  call: WeightsCall,
  result: GpuTensor,
  accesses: Readonly<Record<'query' | 'key', ReturnType<typeof accessOf>>>,
  placed: Readonly<Record<'placesBase' | 'placesStride', number>>,
  { ranges, batches, heads, queryTiles, keyTiles, continues }: WeightsDispatch,
): Uint32Array {
  const { shape, attention, data } = planned
  const { choice, logSumExp, kind } = call
  const keyUnit = accesses.key.vector && !call.quantized ? 4 : 1
  const [sumBatch, sumHead, sumRow] = logSumExp.strides as [number, number, number]
  const values: Record<string, number> = {
    ...Object.fromEntries(weightsFields.map((name) => [name, 0])),
    ...addressValues('query', call.query, accesses.query.vector ? 4 : 1, ranges.query.offset),
    ...addressValues('key', call.key, keyUnit, ranges.key.offset),
    outputOffset: result.offset - ranges.weights.offset / 4,
    logSumExpOffset: logSumExp.offset - ranges.logSumExp.offset / 4,
    logSumExpBatch: sumBatch,
    logSumExpHead: sumHead,
    logSumExpRow: sumRow,
    queryLength: shape.queryLength,
    keyLength: shape.keyLength,
    heads: shape.heads,
    headsPerKeyHead: shape.heads / shape.kvHeads,
    mapBatches: shape.batch,
    batchBase: batches.start,
    headBase: heads.start,
    headCount: heads.end - heads.start,
    chosenHeads: choice.heads.length,
    queryTileBase: queryTiles.start,
    queryTileEnd: queryTiles.end,
    keyTileBegin: keyTiles.start,
    keyTileEnd: keyTiles.end,
    firstRow: choice.queries.start,
    endRow: choice.queries.end,
    keys: choice.shape.at(-1)!,
    ...placed,
    factor: floatWord(kind === 'mean over heads' ? 1 / choice.heads.length : 1),
    continues: continues ? 1 : 0,
    scale: floatWord(attention.scale),
    negativeInfinity: floatWord(-Infinity),
  }
  const parameters = parameterWords(planned, call.parameters)
  return packParameters(weightsFieldsOf(call.places), values, data.descriptors, parameters)
}
