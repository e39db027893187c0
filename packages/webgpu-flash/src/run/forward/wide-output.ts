// The output in float32 while parts of it are merged: its memory, and the stage that rounds it.
import type { Access } from '../../codegen/access.ts'
import type { BufferPool } from '../../device/buffers.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { narrowFields, narrowRowsKernel } from '../../kernels/forward/narrow-rows.wgsl.ts'
import { packParameters } from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import { boundRange } from '../../plan/dispatch.ts'
import type { BoundTensor, Range } from '../../plan/dispatch.ts'
import {
  boundWide,
  narrowDispatches,
  narrowedRows,
  wideBytes,
  wideView,
} from '../../plan/forward/wide-output.ts'
import type { Call } from '../../plan/call.ts'
import type { PlanHost } from '../attention-plan.ts'
import { accessOf } from './forward-tensors.ts'
import { remembered } from './forward-text.ts'
import type { Stage } from './prepare-forward.ts'

/** Memory of a plan, allocated at its first use. */
export interface WideOutput {
  get(): GPUBuffer
  destroy(): void
}

/** What a plan may keep its output in. */
export function createWideOutput(plan: Call, buffers: BufferPool): WideOutput {
  let buffer: GPUBuffer | undefined
  return {
    get: () => (buffer ??= buffers.allocate('output in float32', wideBytes(plan))),
    destroy: () => {
      if (buffer) buffers.release(buffer)
    },
  }
}

/** How kernels read and write it. */
export function wideAccess({ shape }: Call): Access {
  return { dtype: 'float32', vector: shape.valueDim % 4 === 0, nativeFloat16: false }
}

/** The text that rounds it to an output with this access. */
export function narrowText(plan: Call, output: Access): string {
  return remembered(plan, `narrow ${JSON.stringify(output)}`, () =>
    narrowRowsKernel({ valueDim: plan.shape.valueDim, input: wideAccess(plan), output }),
  )
}

/**
 * The stage that rounds it.
 *
 * @param bound - The output as it is bound.
 * @param blockMap - Any block map, since kernels of a call bind one.
 */
export function narrowStage(
  caller: string,
  { capabilities }: PlanHost,
  plan: Call,
  output: GpuTensor,
  bound: BoundTensor,
  wide: GPUBuffer,
  blockMap: GPUBuffer,
): Stage {
  const { limits, shaderFloat16 } = capabilities
  const alignment = limits.minStorageBufferOffsetAlignment
  const view = wideView(plan)
  const unit = wideAccess(plan).vector ? 4 : 1
  const access = accessOf(output, shaderFloat16)
  const outputUnit = access.vector ? 4 : 1
  const dispatches = narrowDispatches(caller, plan, bound, limits).map((dispatch) => {
    const { batches, heads, queryTiles } = dispatch
    const rows: Range = {
      start: queryTiles.start * narrowedRows,
      end: Math.min(queryTiles.end * narrowedRows, plan.shape.queryLength),
    }
    const from = boundRange(boundWide(plan), alignment, batches, heads, rows)
    const to = boundRange(bound, alignment, batches, heads, rows)
    const values = {
      ...addressValues('query', view, unit, from.offset),
      ...addressValues('output', output, outputUnit, to.offset),
      queryLength: plan.shape.queryLength,
      queryTileBase: queryTiles.start,
      headBase: heads.start,
      batchBase: batches.start,
    }
    // What the kernel does not use has to be bound all the same.
    const ranges = {
      query: from,
      key: from,
      value: from,
      output: to,
      logSumExp: { offset: 0, size: 4 },
    }
    const none = new Uint32Array(0)
    return {
      ranges,
      words: packParameters(narrowFields, values, none, none),
      workgroups: [
        queryTiles.end - queryTiles.start,
        heads.end - heads.start,
        batches.end - batches.start,
      ] as const,
    }
  })
  return {
    code: narrowText(plan, access),
    blockMap: { buffer: blockMap },
    dispatches,
    moved: { query: wide, key: wide, value: wide },
  }
}
