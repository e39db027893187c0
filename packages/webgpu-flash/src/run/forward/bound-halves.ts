// The kernel of halves on a device: its passes, and the memory that halves and magnitudes take.
import type { BufferPool } from '../../device/buffers.ts'
import type { SplitTensor } from '../../kernels/forward/split/inputs.ts'
import type { HalvesPlan } from '../../plan/forward/forward-plan.ts'
import { measureBytes } from '../../plan/forward/halves-plan.ts'
import { bindPass } from './bound-pass.ts'
import type { BoundPass, PlanUpload } from './bound-pass.ts'

/** The kernel of halves with its buffers. */
export interface BoundHalves {
  readonly plan: HalvesPlan
  readonly passes: readonly BoundPass[]
  /** The halves of the tensors, and what their planes measure. */
  readonly buffers: Readonly<Record<SplitTensor | 'measures', GPUBuffer>>
  destroy(): void
}

/** Allocates what a plan needs to compute by halves. */
export function bindHalves(plan: HalvesPlan, upload: PlanUpload, buffers: BufferPool): BoundHalves {
  const passes = plan.passes.map((pass) => bindPass(pass, upload, buffers))
  const { bytes } = plan
  const own = {
    query: buffers.allocate('halves of queries', bytes.query),
    key: buffers.allocate('halves of keys', bytes.key),
    value: buffers.allocate('halves of values', bytes.value),
    measures: buffers.allocate('magnitudes of planes', measureBytes(plan)),
  }
  return {
    plan,
    passes,
    buffers: own,
    destroy: () => {
      passes.forEach((pass) => pass.destroy())
      Object.values(own).forEach((buffer) => buffers.release(buffer))
    },
  }
}
