// A stage of a forward call before its kernel is compiled and its uniform blocks are uploaded.
import type { PreparedStage } from '../call-cache.ts'
import type { BindingRanges } from './forward-call.ts'
import type { ForwardInputs, ForwardOutputs, ForwardTensorName } from './forward-tensors.ts'

/** The tensors of a call. */
export type ForwardTensors = ForwardInputs & ForwardOutputs

/** Dispatches of one text. */
export interface Stage extends Omit<
  PreparedStage<ForwardTensorName>,
  'pipeline' | 'dispatches' | 'blockMap'
> {
  /** Undefined where the kernel reads the call's lengths instead. */
  readonly blockMap: GPUBufferBinding | undefined
  readonly code: string
  readonly dispatches: readonly {
    readonly ranges: BindingRanges
    readonly words: Uint32Array
    readonly workgroups: readonly [x: number, y: number, z: number]
  }[]
}
