// The library that plans, caches and merges belong to, as these see it.
import type { BufferPool } from '../device/buffers.ts'
import type { Capabilities } from '../device/capabilities.ts'
import type { ErrorWatch } from '../device/errors.ts'

/** What a plan needs of the library it belongs to. */
export interface PlanHost {
  readonly device: GPUDevice
  readonly buffers: BufferPool
  readonly errors: ErrorWatch
  readonly capabilities: Capabilities
}
