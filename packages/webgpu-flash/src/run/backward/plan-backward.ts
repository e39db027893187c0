// The backward half of a plan's interface: checks, makes tensors, and submits.
import type { Optional } from '@attn/core'
import { checkParameters } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import type { PlanHost } from '../plan-host.ts'
import type { Kernel } from '../pipelines.ts'
import type { PlanRope } from '../rotate/plan-rope.ts'
import { bindBackward } from './backward.ts'
import { checkBackwardTensors } from './backward-tensors.ts'
import type { BackwardInputs, BackwardOutputs } from './backward-tensors.ts'

/** What a plan made with `training: true` can do besides. */
export interface PlanBackward {
  /**
   * The gradients of a forward pass, the same bit for bit from run to run. New tensors are made where
   * none are given; `flash.release` frees them.
   *
   * @throws RangeError or TypeError for tensors that do not fit the plan, TypeError for a plan made
   *   without `training: true`, UnsupportedError for tensors that this device cannot bind,
   *   DeviceLostError.
   */
  backward(inputs: BackwardInputs & Optional<BackwardOutputs>): BackwardOutputs
  /** Records the dispatches of the backward pass into the caller's encoder. */
  encodeBackward(
    encoder: GPUCommandEncoder,
    tensors: BackwardInputs & BackwardOutputs,
    timestampWrites?: GPUComputePassTimestampWrites,
  ): void
  /** New tensors for the gradients. */
  createGradients(): BackwardOutputs
  /** The WGSL of the backward kernels for contiguous tensors, in the order they run in. */
  readonly backwardCode: readonly string[]
}

/** The backward half, with what belongs to the plan's life. */
export interface OwnedPlanBackward extends PlanBackward {
  /** Its kernels for contiguous tensors, in the order they run in. */
  kernels(): readonly Kernel[]
  destroy(): void
}

/**
 * Binds the backward half of a plan.
 *
 * @param rope - The plan's rotation, where it has one.
 * @param checkUsable - Throws where the plan cannot be used any more.
 */
export function bindPlanBackward(
  host: PlanHost,
  plan: BackwardPlan,
  rope: PlanRope | undefined,
  checkUsable: (caller: string) => void,
): OwnedPlanBackward {
  const { device, buffers, errors, capabilities } = host
  const bound = bindBackward(host, plan, rope)
  const check = (caller: string, tensors: BackwardInputs & Optional<BackwardOutputs>) => {
    checkUsable(caller)
    checkBackwardTensors(caller, plan.call, tensors, capabilities.shaderFloat16)
    checkParameters(caller, { ...plan.call.attention, parameters: tensors.parameters ?? {} })
    bound.checkTables(caller, tensors.tables)
  }
  /** Runs `fill` with new tensors for those that were not given, which are freed where it throws. */
  const withOutputs = (
    given: Optional<BackwardOutputs>,
    fill: (outputs: BackwardOutputs, made: readonly GpuTensor[]) => void,
  ): BackwardOutputs => {
    const made: GpuTensor[] = []
    try {
      const outputs = bound.createOutputs(given, made)
      fill(outputs, made)
      return outputs
    } catch (error) {
      made.forEach(({ storage }) => buffers.release(storage))
      throw error
    }
  }
  return {
    backward: (inputs) => {
      const caller = 'plan.backward'
      check(caller, inputs)
      return errors.guard(caller, (call) =>
        withOutputs(inputs, (outputs) => {
          const encoder = device.createCommandEncoder({ label: 'attn backward' })
          bound.encode(caller, call, encoder, { ...inputs, ...outputs })
          device.queue.submit([encoder.finish()])
        }),
      )
    },
    encodeBackward: (encoder, tensors, timestampWrites) => {
      const caller = 'plan.encodeBackward'
      check(caller, tensors)
      errors.guard(caller, (call) => bound.encode(caller, call, encoder, tensors, timestampWrites))
    },
    createGradients: () => {
      checkUsable('plan.createGradients')
      return errors.guard('plan.createGradients', (call) =>
        withOutputs({}, (_, made) => call.writes(...made.map(({ storage }) => storage))),
      )
    },
    get backwardCode() {
      return bound.kernels().map(({ code }) => code)
    },
    kernels: () => bound.kernels(),
    destroy: () => bound.destroy(),
  }
}
