// What a plan on a device can do.
import type { PlanExplanation } from '../plan/explanation.ts'
import type { PlanBackward } from './backward/plan-backward.ts'
import type { ForwardInputs, ForwardOutputs, ForwardRequest } from './forward/forward-tensors.ts'
import type { PlanWeights } from './weights/plan-weights.ts'

/**
 * A plan on a device. Good for any number of calls, whatever the strides of their tensors. Throws
 * `TypeError` after `destroy`, and `DeviceLostError` when the device is gone.
 */
export interface AttentionPlan extends PlanBackward, PlanWeights {
  /** What the plan will do and why, as plain data; {@link formatExplanation} makes text of it. */
  explain(): PlanExplanation
  /** The WGSL for contiguous tensors: of every kernel, where there are several. */
  readonly code: string
  /**
   * Compiles the kernels for contiguous tensors without blocking; the first call would compile them
   * otherwise. Rejects with GpuValidationError or GpuInternalError where the driver refuses.
   */
  compile(): Promise<void>
  /**
   * Submits the call and returns at once. New output tensors are made where none are given;
   * `flash.release` frees them.
   *
   * @throws RangeError or TypeError for tensors and parameters that do not fit the plan,
   *   UnsupportedError for tensors that this device cannot bind. What the GPU reports later is told
   *   by `flash.download` of the results and by `flash.finished`.
   */
  forward(inputs: ForwardRequest): ForwardOutputs
  /**
   * Records the plan's dispatches into the caller's encoder, between the caller's own passes. Submit
   * it before the plan is destroyed.
   *
   * @param timestampWrites - Of the compute passes, for the caller's own measurements.
   * @throws As `forward` does.
   */
  encodeForward(
    encoder: GPUCommandEncoder,
    tensors: ForwardInputs & ForwardOutputs,
    timestampWrites?: GPUComputePassTimestampWrites,
  ): void
  /** New tensors for the results, which any number of calls may write. */
  createOutputs(): ForwardOutputs
  /** Frees the plan's own buffers at once. Tensors stay. */
  destroy(): void
}
