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
import type { PlanHost } from '../plan-host.ts'
import { accessOf } from '../../plan/access-of.ts'
import { remembered } from '../remembered-texts.ts'
import type { Stage } from './stage.ts'

/** Memory of a plan, allocated at its first use. */
export interface WideOutput {
  get(): GPUBuffer
  destroy(): void
}

/** What a plan may keep its output in. */
export function createWideOutput(call: Call, buffers: BufferPool): WideOutput {
  let buffer: GPUBuffer | undefined
  return {
    get: () => (buffer ??= buffers.allocate('output in float32', wideBytes(call))),
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
export function narrowText(call: Call, output: Access): string {
  return remembered(call, `narrow ${JSON.stringify(output)}`, () =>
    narrowRowsKernel({ valueDim: call.shape.valueDim, input: wideAccess(call), output }),
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
  call: Call,
  output: GpuTensor,
  bound: BoundTensor,
  wide: GPUBuffer,
  blockMap: GPUBuffer,
): Stage {
  const { limits, shaderFloat16 } = capabilities
  const alignment = limits.minStorageBufferOffsetAlignment
  const view = wideView(call)
  const unit = wideAccess(call).vector ? 4 : 1
  const access = accessOf(output, shaderFloat16)
  const outputUnit = access.vector ? 4 : 1
  const dispatches = narrowDispatches(caller, call, bound, limits).map((dispatch) => {
    const { batches, heads, queryTiles } = dispatch
    const rows: Range = {
      start: queryTiles.start * narrowedRows,
      end: Math.min(queryTiles.end * narrowedRows, call.shape.queryLength),
    }
    const from = boundRange(boundWide(call), alignment, batches, heads, rows)
    const to = boundRange(bound, alignment, batches, heads, rows)
    const values = {
      ...addressValues('query', view, unit, from.offset),
      ...addressValues('output', output, outputUnit, to.offset),
      queryLength: call.shape.queryLength,
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
    code: narrowText(call, access),
    blockMap: { buffer: blockMap },
    dispatches,
    moved: { query: wide, key: wide, value: wide },
  }
}
