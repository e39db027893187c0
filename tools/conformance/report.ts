// The record of a conformance run: which device passed what, and which kernel computed each case.
import type { Draw } from '../random/draws.ts'
import type { Environment } from '../../packages/bench/src/report/run-report.ts'

/** What one suite came to on one device. */
export interface SuiteResult {
  /** Dawn's switches, by the name that the bench package has for them. */
  readonly flags: string
  readonly limits: 'those of the adapter' | 'the defaults of WebGPU'
  readonly suite: string
  /** How many cases dispatched each kernel, as tools/kernels names them. */
  readonly kernels: Readonly<Record<string, number>>
  /** The kernels that each case dispatched: places in the list of `kernels`. */
  readonly cases?: Readonly<Record<string, readonly number[]>>
  readonly passed: number
  readonly failures: readonly string[]
  /** Of random problems: which they were, and how often the device went away. */
  readonly random?: {
    readonly seed: number
    /** Which problems; see tools/random/draws.ts. Default: calls. */
    readonly draw?: Draw
    readonly count: number
    readonly devicesLost: number
  }
}

/** A file of results. */
export interface ConformanceReport {
  readonly schema: 'attn-conformance/2'
  readonly created: string
  readonly environment: Environment
  readonly adapter?: {
    readonly vendor: string
    readonly architecture: string
    readonly device: string
    readonly description: string
  }
  readonly results: readonly SuiteResult[]
}
