// Rotation on a device: the kernel, its pipelines, and the small buffers it reads.
import type { QuantizedType, RotaryEmbedding } from '@attn/core'
import type { GuardedCall } from '../../device/errors.ts'
import type { AppendConfig } from '../../kernels/rotate/appended-row.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { BoundRange } from '../../plan/dispatch.ts'
import { planRotation } from '../../plan/rotate/plan-rotation.ts'
import type { RotationDispatch } from '../../plan/rotate/plan-rotation.ts'
import { frequencyWords } from '../../plan/rotate/rotary-words.ts'
import type { PositionWords } from '../../plan/rotate/rotary-words.ts'
import type { PlanHost } from '../plan-host.ts'
import { createCallCache } from '../call-cache.ts'
import { accessOf } from '../../plan/access-of.ts'
import { forgetPipeline, kernelLayout, kernelPipeline } from '../pipelines.ts'
import { joinBlocks } from '../join-blocks.ts'

/** A rotary embedding at the positions of some rows, ready to turn tensors with those rows. */
export interface Rotation {
  /**
   * Records the rotation of one tensor into another of the same shape and dtype.
   *
   * @param direction - 1 turns by the positions, -1 back (the adjoint, for gradients).
   * @param own - Positions of this call, in place of those that the rotation was made with.
   */
  encode(
    caller: string,
    call: GuardedCall,
    pass: GPUComputePassEncoder,
    input: GpuTensor,
    output: GpuTensor,
    direction: 1 | -1,
    own?: CallPositions,
  ): void
  destroy(): void
}

/** Positions of a call, laid out as those of the rotation. */
export interface CallPositions {
  readonly words: GPUBufferBinding
  /** How rows are appended to a cache, if they are; the words then tell where to. */
  readonly appends?: AppendConfig
}

interface PreparedRotation {
  readonly pipeline: GPUComputePipeline
  readonly dispatches: readonly RotationDispatch[]
  /** The blocks of all dispatches. */
  readonly uniforms: GPUBuffer
  readonly blocks: readonly BoundRange[]
}

const bindings = [false, true, false, false]

/**
 * Uploads what a rotation reads.
 *
 * @param quantized - Set where it appends rows as blocks. Default: it does not.
 */
export function createRotation(
  host: PlanHost,
  caller: string,
  rotary: RotaryEmbedding,
  positions: PositionWords,
  quantized?: QuantizedType,
): Rotation {
  const { device, buffers, errors, capabilities } = host
  const [frequencyBuffer, positionBuffer] = errors.guard(caller, (call) => {
    const made = [
      buffers.upload('rotary frequencies', frequencyWords(rotary), storageUsage),
      buffers.upload('positions', positions.words, storageUsage),
    ] as const
    call.writes(...made)
    return made
  })
  const calls = createCallCache<PreparedRotation>(buffers)

  const prepare = (
    callerOfCall: string,
    input: GpuTensor,
    output: GpuTensor,
    direction: 1 | -1,
    appends: AppendConfig | undefined,
  ): PreparedRotation => {
    const native = capabilities.shaderFloat16
    const accesses = { input: accessOf(input, native), output: accessOf(output, native) }
    const problem = { rotary, positions, direction, appends, quantized, input, output, accesses }
    const { code, dispatches } = planRotation(callerOfCall, problem, capabilities.limits)
    const { words, blocks } = joinBlocks(
      dispatches.map((dispatch) => dispatch.words),
      device.limits.minUniformBufferOffsetAlignment,
    )
    return {
      pipeline: kernelPipeline(device, { label: 'attn rotation', bindings, code }),
      dispatches,
      uniforms: buffers.upload('rotation', words, uniformUsage),
      blocks,
    }
  }

  return {
    encode: (callerOfCall, call, pass, input, output, direction, own) => {
      const { words = { buffer: positionBuffer }, appends } = own ?? {}
      const views = [input, output].map(({ offset, strides, shape }) => [offset, strides, shape])
      const key = JSON.stringify([direction, appends, input.dtype, ...views])
      const prepared = calls.get(key, () =>
        prepare(callerOfCall, input, output, direction, appends),
      )
      call.reads(input.storage, frequencyBuffer, words.buffer)
      call.writes(output.storage)
      call.onFailure(() => {
        forgetPipeline(device, prepared.pipeline)
        calls.delete(key)
      })
      const part = ({ storage }: GpuTensor, { offset, size }: BoundRange): GPUBufferBinding => ({
        buffer: storage,
        offset,
        size: Math.min(size, storage.size - offset),
      })
      pass.setPipeline(prepared.pipeline)
      prepared.dispatches.forEach((dispatch, index) => {
        const resources: GPUBufferBinding[] = [
          { buffer: prepared.uniforms, ...prepared.blocks[index]! },
          part(input, dispatch.input),
          part(output, dispatch.output),
          { buffer: frequencyBuffer },
          words,
        ]
        const entries = resources.map((resource, binding) => ({ binding, resource }))
        const layout = kernelLayout(device, bindings)
        pass.setBindGroup(0, device.createBindGroup({ layout, entries }))
        pass.dispatchWorkgroups(...dispatch.workgroups)
      })
    },
    destroy: () => {
      buffers.release(frequencyBuffer)
      buffers.release(positionBuffer)
      calls.destroy()
    },
  }
}

const storageUsage = 0x80
const uniformUsage = 0x40
