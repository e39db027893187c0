// A step of a merge made ready to be encoded: cut into dispatches, its kernel compiled, its words uploaded.
import type { AttentionShape } from '@attn/core'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { mergeFields, mergeKernel, mergeRows } from '../../kernels/merge/merge.wgsl.ts'
import { floatWord, packParameters } from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import { boundRange, splitDispatches, touched } from '../../plan/dispatch.ts'
import type { BoundRange, BoundTensor, Dispatch } from '../../plan/dispatch.ts'
import type { PlanHost } from '../plan-host.ts'
import { accessOf } from '../../plan/access-of.ts'
import { joinBlocks } from '../join-blocks.ts'
import { kernelPipeline } from '../pipelines.ts'
import type { MergeShape, PartialAttention } from './merge-tensors.ts'

/** Parts that one dispatch merges, and where to. */
export interface MergeStep {
  readonly parts: readonly PartialAttention[]
  readonly into: PartialAttention
  /** Whether the result is a part already. */
  readonly continues: boolean
}

/** A step, ready to be encoded. */
export interface PreparedMerge {
  readonly uniforms: GPUBuffer
  readonly pipeline: GPUComputePipeline
  readonly dispatches: readonly {
    readonly block: BoundRange
    readonly ranges: readonly BoundRange[]
    readonly workgroups: readonly [x: number, y: number, z: number]
  }[]
}

const uniformUsage = 0x40 | 0x08
/** Floating-point operations a dispatch may hold: as those of plans. */
const workBudget = 2 ** 38

/** What the kernel for so many parts binds after its uniform block; true where written. */
export const mergeBindings = (parts: number): boolean[] => [
  true,
  true,
  ...Array.from({ length: 2 * parts }, () => false),
]

/**
 * Prepares a step.
 *
 * @throws UnsupportedError when the tensors do not fit the device's bindings.
 */
export function prepareStep(
  caller: string,
  { device, buffers, capabilities }: PlanHost,
  { batch, heads, queryLength, valueDim }: MergeShape,
  { parts, into, continues }: MergeStep,
): PreparedMerge {
  const access = (view: GpuTensor) => accessOf(view, capabilities.shaderFloat16)
  const config = {
    parts: parts.map(({ output }) => access(output)),
    output: access(into.output),
    valueDim,
  }
  const tensors: BoundTensor[] = [into, ...parts].flatMap(({ output, logSumExp }) =>
    [output, logSumExp].map((view) => ({
      view,
      elementBytes: elementBytes(view.dtype),
      follows: 'queries' as const,
    })),
  )
  const shape: AttentionShape = {
    batch,
    heads,
    kvHeads: heads,
    queryLength,
    keyLength: 1,
    headDim: 1,
    valueDim,
  }
  const tile = { queries: mergeRows, keys: 1 }
  const count = ({ start, end }: { start: number; end: number }): number => end - start
  const dispatches = splitDispatches(caller, {
    shape,
    tile,
    tensors,
    limits: { ...capabilities.limits, workBudget },
    work: (box) =>
      count(box.batches) * count(box.heads) * count(box.queryTiles) * mergeRows * valueDim * 8,
  })
  const { minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment } = device.limits
  const cut = dispatches.map((dispatch) => {
    const { rows } = touched(shape, tile, dispatch)
    const ranges = tensors.map((tensor) =>
      boundRange(tensor, minStorageBufferOffsetAlignment, dispatch.batches, dispatch.heads, rows),
    )
    return { dispatch, ranges }
  })
  const { words, blocks } = joinBlocks(
    cut.map(({ dispatch, ranges }) =>
      blockOf({ parts, into, continues }, config, ranges, dispatch, queryLength),
    ),
    minUniformBufferOffsetAlignment,
  )
  return {
    uniforms: buffers.upload('merge', words, uniformUsage),
    pipeline: kernelPipeline(device, {
      label: 'attn merge',
      bindings: mergeBindings(parts.length),
      code: mergeKernel(config),
    }),
    dispatches: cut.map(({ dispatch, ranges }, index) => ({
      block: blocks[index]!,
      ranges,
      workgroups: [count(dispatch.queryTiles), count(dispatch.heads), count(dispatch.batches)],
    })),
  }
}

function blockOf(
  { parts, into, continues }: MergeStep,
  config: Parameters<typeof mergeKernel>[0],
  ranges: readonly BoundRange[],
  { queryTiles, heads, batches }: Dispatch,
  queryLength: number,
): Uint32Array {
  const values: Record<string, number> = {
    queryLength,
    queryTileBase: queryTiles.start,
    headBase: heads.start,
    batchBase: batches.start,
    continues: continues ? 1 : 0,
    negativeInfinity: floatWord(-Infinity),
  }
  const all = [into, ...parts]
  all.forEach(({ output, logSumExp }, index) => {
    const part = index === 0 ? '' : String(index - 1)
    const access = index === 0 ? config.output : config.parts[index - 1]!
    const unit = access.vector ? 4 : 1
    Object.assign(values, addressValues(`output${part}`, output, unit, ranges[2 * index]!.offset))
    const [batch, head, row] = logSumExp.strides as [number, number, number]
    Object.assign(values, {
      [`logSumExp${part}Offset`]: logSumExp.offset - ranges[2 * index + 1]!.offset / 4,
      [`logSumExp${part}Batch`]: batch,
      [`logSumExp${part}Head`]: head,
      [`logSumExp${part}Row`]: row,
    })
  })
  return packParameters(mergeFields(parts.length), values, new Uint32Array(0), new Uint32Array(0))
}
