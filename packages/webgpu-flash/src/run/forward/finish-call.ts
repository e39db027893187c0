// A forward call made ready to be encoded: its kernels compiled, its uniform blocks uploaded. All of it holds for every
// call with the same strides, offsets and parameters.
import type { PlanHost } from '../plan-host.ts'
import type { PreparedCall, PreparedDispatch, PreparedSteps } from '../call-cache.ts'
import { joinBlocks } from '../join-blocks.ts'
import { forwardPipeline } from '../pipelines.ts'
import type { ForwardTensorName } from './forward-tensors.ts'
import type { ForwardTensors, Stage } from './stage.ts'

const uniformUsage = 0x40 | 0x08
const storageUsage = 0x80

/** A plan's forward pass with its buffers. */
export interface BoundForward {
  /**
   * Makes a call ready.
   *
   * @throws UnsupportedError when the tensors do not fit the device's bindings.
   */
  prepare(caller: string, tensors: ForwardTensors): PreparedCall<ForwardTensorName>
  destroy(): void
}

/** Steps before the stages that choose which of these run. */
export interface ChoosingSteps extends PreparedSteps<ForwardTensorName> {
  /** Sizes of all dispatches, three words each: as they are, or nothing. */
  readonly chosen: GPUBuffer
}

/**
 * Finishes a call.
 *
 * @param before - What runs before the stages, and chooses among them. Default: nothing.
 * @param lengths - Words of the call that stages without a block map read. Default: none.
 */
export function finishCall(
  { device, buffers }: PlanHost,
  stages: readonly Stage[],
  before?: ChoosingSteps,
  lengths?: Uint32Array,
): PreparedCall<ForwardTensorName> {
  const { minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment } = device.limits
  const indirect = (place: number): Pick<PreparedDispatch<ForwardTensorName>, 'indirect'> =>
    before ? { indirect: { buffer: before.chosen, offset: 12 * place } } : {}
  // The lengths of a call, if it has any, come first.
  const { words, blocks } = joinBlocks(
    [
      lengths ?? new Uint32Array(0),
      ...stages.flatMap((stage) => stage.dispatches.map((dispatch) => dispatch.words)),
    ],
    Math.max(minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment),
  )
  const usage = lengths ? uniformUsage | storageUsage : uniformUsage
  const uniforms = buffers.upload('parameters', words, usage)
  let next = 1
  return {
    uniforms,
    stages: stages.map(({ code, dispatches, blockMap, ...stage }) => ({
      ...stage,
      blockMap: blockMap ?? { buffer: uniforms, ...blocks[0]! },
      pipeline: forwardPipeline(device, code),
      dispatches: dispatches.map(({ ranges, workgroups }) => ({
        ranges,
        workgroups,
        ...indirect(next - 1),
        block: blocks[next++]!,
      })),
    })),
    before,
  }
}
