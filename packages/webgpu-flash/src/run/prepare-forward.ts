// A forward call made ready to be encoded: cut into dispatches, its kernel compiled, its uniform
// blocks uploaded. All of it holds for every call with the same strides, offsets and parameters.
import type { BufferPool } from '../device/buffers.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import { forwardFields, packParameters, withOptionalFields } from '../kernels/parameters.ts'
import type { BoundRange } from '../plan/dispatch.ts'
import { forwardDispatches } from '../plan/forward-dispatches.ts'
import { packBlockMap } from '../plan/pack-block-map.ts'
import type { ForwardAccesses, ForwardPlan } from '../plan/plan.ts'
import type { PlanHost } from './attention-plan.ts'
import type { PreparedCall } from './call-cache.ts'
import { bindingRanges, boundTensors, parameterFields, parameterWords } from './forward-call.ts'
import { accessOf, forwardTensorNames } from './forward-tensors.ts'
import type { ForwardInputs, ForwardOutputs, ForwardTensorName } from './forward-tensors.ts'
import { forwardText } from './forward-text.ts'
import { forwardPipeline } from './pipelines.ts'

const uniformUsage = 0x40 | 0x08

/** The block map on the GPU, once for each order of its rows that calls ask for. */
export interface BlockMapBuffers {
  /** Rows longest first, or in order, as calls need whose heads are too large to bind at once. */
  get(order: 'longest first' | 'ascending'): GPUBuffer
  destroy(): void
}

/** Uploads a plan's block map as calls ask for it. */
export function blockMapBuffers(
  { blockMap, packedMap }: ForwardPlan,
  upload: (label: string, words: Uint32Array) => GPUBuffer,
  buffers: BufferPool,
): BlockMapBuffers {
  const usual = upload('block map', packedMap?.words ?? new Uint32Array(4))
  let ascending: GPUBuffer | undefined
  return {
    get: (order) => {
      if (order === 'longest first' || !blockMap) return usual
      return (ascending ??= upload('ordered block map', packBlockMap(blockMap, order).words))
    },
    destroy: () => {
      for (const buffer of [usual, ascending]) if (buffer) buffers.release(buffer)
    },
  }
}

/** All that calls to one plan may differ in. */
export function forwardCallKey(tensors: ForwardInputs & ForwardOutputs): string {
  const views = forwardTensorNames.map((name) => {
    const { offset, strides }: GpuTensor = tensors[name]
    return `${offset}:${strides.join()}`
  })
  const values = Object.entries(tensors.parameters ?? {}).map((entry) => entry.join('='))
  return [...views, ...values].join(';')
}

/**
 * Prepares a call.
 *
 * @throws UnsupportedError when the tensors do not fit the device's bindings.
 */
export function prepareForward(
  caller: string,
  { device, buffers, capabilities }: PlanHost,
  plan: ForwardPlan,
  tensors: ForwardInputs & ForwardOutputs,
  blockMaps: BlockMapBuffers,
): PreparedCall<ForwardTensorName> {
  const { attention, data } = plan
  const bound = boundTensors(tensors)
  const { limits } = capabilities
  const { dispatches, anyRow } = forwardDispatches(caller, plan, Object.values(bound), limits)
  const access = (name: ForwardTensorName) => accessOf(tensors[name], capabilities.shaderFloat16)
  const accesses: ForwardAccesses = {
    query: access('query'),
    key: access('key'),
    value: access('value'),
    output: access('output'),
  }
  const fields = withOptionalFields(forwardFields, {
    sinks: attention.sinks !== undefined,
    dropout: attention.dropout !== undefined,
  })
  const parameters = parameterWords(plan, tensors.parameters ?? {})
  const parts = dispatches.map((dispatch) => {
    const alignment = limits.minStorageBufferOffsetAlignment
    const ranges = bindingRanges(plan, bound, dispatch, alignment, anyRow)
    const values = parameterFields(plan, tensors, accesses, ranges, dispatch)
    return { ranges, words: packParameters(fields, values, data.descriptors, parameters) }
  })
  const { words, blocks } = joinBlocks(
    parts.map((part) => part.words),
    device.limits.minUniformBufferOffsetAlignment,
  )
  return {
    pipeline: forwardPipeline(device, forwardText(plan, accesses)),
    uniforms: buffers.upload('parameters', words, uniformUsage),
    blockMap: blockMaps.get(anyRow ? 'longest first' : 'ascending'),
    dispatches: dispatches.map(({ queryTiles, heads, batches }, index) => ({
      ranges: parts[index]!.ranges,
      block: blocks[index]!,
      workgroups: [
        queryTiles.end - queryTiles.start,
        heads.end - heads.start,
        batches.end - batches.start,
      ],
    })),
  }
}

/** Blocks one after the other, each at an offset that may be bound. */
export function joinBlocks(
  blocks: readonly Uint32Array[],
  alignment: number,
): { readonly words: Uint32Array<ArrayBuffer>; readonly blocks: readonly BoundRange[] } {
  let end = 0
  const ranges = blocks.map(({ byteLength: size }) => {
    const offset = Math.ceil(end / alignment) * alignment
    end = offset + size
    return { offset, size }
  })
  const words = new Uint32Array(end / 4)
  blocks.forEach((block, index) => words.set(block, ranges[index]!.offset / 4))
  return { words, blocks: ranges }
}
