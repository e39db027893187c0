// The record of which kernels were executed where: what tools/check-kernels.ts writes and the page "How it is
// tested" draws.
import type { Environment } from '../../packages/bench/src/report/run-report.ts'

/** A file of results. */
export interface KernelReport {
  readonly schema: 'attn-kernels/1'
  readonly created: string
  readonly environment: Environment
  /** Adapters in `npm test`, and files of results of other machines. */
  readonly places: readonly string[]
  readonly kernels: readonly {
    /** A variant, as tools/kernels names them. */
    readonly kernel: string
    /** The adapters whose plans ask for it. */
    readonly plannedFor: readonly string[]
    /** Dispatches in each place; of results, cases. */
    readonly dispatches: readonly number[]
    /** Why no adapter here can execute it. */
    readonly outOfReach?: string
  }[]
}
