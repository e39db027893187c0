// The plan of a forward call: one of these, by how it is computed.
import type { SplitTensor } from '../../kernels/forward/split/inputs.ts'
import type { DecodePlan } from '../decode/decode-plan.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import type { Planned } from '../planned.ts'
import type { ForwardKernel, TiledKernel } from './forward-kernel.ts'
import { isInOrder } from './pass-choice.ts'
import type { PassChoice } from './pass-choice.ts'
import type { ForwardPasses } from './passes.ts'

/** In passes of one kernel. */
export interface PassesPlan<Kernel extends ForwardKernel = ForwardKernel> extends Planned {
  readonly kind: 'passes'
  readonly passes: ForwardPasses<Kernel>
  /** What the planner made of the orders that the mask proposes; undefined where it proposes none. */
  readonly choice: PassChoice | undefined
  /** Why no kernel that is preferred computes the call, in words; empty where this one is. */
  readonly whyNoOther: string
}

/**
 * By products of float16 halves, if the numbers of a call allow for it, which the GPU finds out, and otherwise in
 * passes of the kernel in plain WGSL.
 */
export interface HalvesPlan extends Planned {
  readonly kind: 'halves'
  readonly passes: ForwardPasses
  /** What the planner made of the orders that the mask proposes, for the tiles of this kernel. */
  readonly choice: PassChoice | undefined
  /** With kernels that compile sooner, as they hardly ever run. */
  readonly otherwise: PassesPlan<TiledKernel>
  /** Bytes of the tensors' halves, with the exponents of their planes behind them. */
  readonly bytes: Readonly<Record<SplitTensor, number>>
  /** How planes are cut to measure their numbers: pieces of each, and rows of a piece. */
  readonly pieces: {
    readonly count: number
    readonly queryRows: number
    readonly keyRows: number
  }
}

/** The plan of a forward call. */
export type ForwardPlan = PassesPlan | HalvesPlan | DecodePlan

/** The block map in natural order, of whatever tiles; undefined where all are visited, or those of orders or chunks. */
export function naturalMap(plan: ForwardPlan): PackedBlockMap | undefined {
  if (plan.kind === 'decode') return undefined
  if (plan.kind === 'halves') return naturalMap(plan.otherwise)
  return isInOrder(plan) ? plan.passes[0].packedMap : undefined
}

/** Whether float32 is multiplied in plain WGSL: where matrices multiply it there is nothing to split. */
export function isPlainFloat32(plan: ForwardPlan): plan is PassesPlan<TiledKernel> {
  return (
    plan.kind === 'passes' &&
    plan.call.dtype === 'float32' &&
    plan.passes[0].kernel.kind === 'tiled'
  )
}
