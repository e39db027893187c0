// Moving rows of a cache on the device: in as few dispatches as bindings allow.
import type { GuardedCall } from '../../device/errors.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { moveFields, moveRowsKernel, moveThreads } from '../../kernels/cache/move-rows.wgsl.ts'
import { packParameters } from '../../kernels/parameters.ts'
import type { Range } from '../../plan/dispatch.ts'
import { boundRange } from '../../plan/dispatch.ts'
import type { PlanHost } from '../plan-host.ts'
import { forgetPipeline, kernelLayout, kernelPipeline } from '../pipelines.ts'

/** From one row to another. */
export type RowMove = readonly [from: number, to: number]

const bindings = [true, false]
const none = new Uint32Array(0)

/**
 * Records moves of rows, of each sequence in its order; nothing where there are none.
 *
 * @param views - `[B, Hkv, rows, D]`, rows contiguous and beginning on whole words.
 * @returns Buffers to be freed, once they are submitted.
 */
export function moveRows(
  { device, buffers, capabilities }: PlanHost,
  call: GuardedCall,
  encoder: GPUCommandEncoder,
  views: readonly GpuTensor[],
  moves: readonly (readonly RowMove[])[],
): readonly GPUBuffer[] {
  if (moves.every((each) => each.length === 0)) return []
  const made: GPUBuffer[] = []
  const upload = (label: string, words: Uint32Array, usage: number): GPUBuffer => {
    const buffer = buffers.upload(label, words, usage)
    made.push(buffer)
    return buffer
  }
  const list = upload('moves of tokens', wordsOf(moves), 0x80)
  const pipeline = kernelPipeline(device, { label: 'attn moves', bindings, code: moveRowsKernel })
  call.onFailure(() => forgetPipeline(device, pipeline))
  const pass = encoder.beginComputePass({ label: 'attn moves' })
  pass.setPipeline(pipeline)
  for (const view of views) {
    call.reads(view.storage)
    call.writes(view.storage)
    for (const { batches, heads } of boxes(view, capabilities.limits.maxStorageBufferBindingSize)) {
      const [, , rows, width] = view.shape as [number, number, number, number]
      const words = (elements: number): number => (elements * elementBytes(view.dtype)) / 4
      const bound = { view, elementBytes: elementBytes(view.dtype), follows: 'keys' } as const
      const { minStorageBufferOffsetAlignment: alignment } = device.limits
      const { offset, size } = boundRange(bound, alignment, batches, heads, { start: 0, end: rows })
      const [batchStride, headStride, rowStride] = view.strides as [number, number, number]
      const first = view.offset + batches.start * batchStride + heads.start * headStride
      const rowWords = Math.ceil(words(width))
      const block = packParameters(
        moveFields,
        {
          offset: words(first) - offset / 4,
          batchStride: words(batchStride),
          headStride: words(headStride),
          rowStride: words(rowStride),
          rowWords,
          heads: heads.end - heads.start,
          batchBase: batches.start,
        },
        none,
        none,
      )
      const resources = [
        { buffer: upload('moves', block, 0x40) },
        { buffer: view.storage, offset, size: Math.min(size, view.storage.size - offset) },
        { buffer: list },
      ]
      const entries = resources.map((resource, binding) => ({ binding, resource }))
      const layout = kernelLayout(device, bindings)
      pass.setBindGroup(0, device.createBindGroup({ layout, entries }))
      pass.dispatchWorkgroups(
        Math.ceil((rowWords * (heads.end - heads.start)) / moveThreads),
        1,
        batches.end - batches.start,
      )
    }
  }
  pass.end()
  return made
}

/** All sequences and heads, or as many at a time as a binding spans. */
function boxes(view: GpuTensor, most: number): { batches: Range; heads: Range }[] {
  const [batch, heads] = view.shape as [number, number]
  const bytes = elementBytes(view.dtype)
  const [batchStride, headStride] = view.strides as [number, number]
  if (Math.max(batch * batchStride, heads * headStride) * bytes <= most) {
    return [{ batches: { start: 0, end: batch }, heads: { start: 0, end: heads } }]
  }
  const wholeSequences = heads * headStride * bytes <= most
  return Array.from({ length: batch }, (_, start) => ({ start, end: start + 1 })).flatMap(
    (batches) =>
      wholeSequences
        ? [{ batches, heads: { start: 0, end: heads } }]
        : Array.from({ length: heads }, (_, start) => ({
            batches,
            heads: { start, end: start + 1 },
          })),
  )
}

/** Start and number of each sequence's moves, and then all of them. */
function wordsOf(moves: readonly (readonly RowMove[])[]): Uint32Array<ArrayBuffer> {
  const words: number[] = []
  const lists: number[] = []
  for (const each of moves) {
    words.push(2 * moves.length + lists.length, each.length)
    for (const move of each) lists.push(...move)
  }
  return Uint32Array.from([...words, ...lists])
}
