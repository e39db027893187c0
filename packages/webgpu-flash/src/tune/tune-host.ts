// What tuning needs of the library it runs in.
import type { DType, Tensor } from '@attn/core'
import type { Capabilities } from '../device/capabilities.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import type { PlanOptions } from '../plan/plan-options.ts'
import type { AttentionPlan } from '../run/attention-plan-interface.ts'

/** A device with the means to plan and run on it. */
export interface TuneHost {
  readonly device: GPUDevice
  readonly capabilities: Capabilities
  /** Plans by the model, whatever tuning was imported. */
  plan(options: PlanOptions): AttentionPlan
  upload(source: Tensor): GpuTensor
  empty(shape: readonly number[], dtype?: DType): GpuTensor
  download(source: GpuTensor): Promise<Tensor>
  release(...tensors: readonly GpuTensor[]): void
  finished(): Promise<void>
}
