// The JSON file of `attn positions`. The README describes the fields; `schema` changes whenever one of
// them changes its meaning.
import type { DeviceReport } from '../device/find-device.ts'
import type { Measurement } from '../measure/measure.ts'
import type { PositionMethod, PositionProblem } from '../positions/problem.ts'
import type { Verification } from '../verify/expectation.ts'
import type { Environment } from './run-report.ts'

/** What a training step takes with a method; the gradients of its tables are part of it. */
export interface PositionTraining {
  /** Milliseconds of one backward pass. */
  readonly backward: Measurement
  /** Milliseconds of a forward and a backward pass. */
  readonly both: Measurement
  /** How much longer both take than without positions, as a part of that: the median over rounds. */
  readonly overhead: number
  /** Bytes held beside inputs, output and gradients. */
  readonly memoryBytes: number
  /**
   * Every row of P sums up to 1, so the gradients of all values sum up to those of all outputs: compared
   * over the first head, as a part of the sum of their sizes.
   */
  readonly verification: Verification
}

/** What a method takes at one length. */
export interface PositionOutcome {
  /** Milliseconds of one run, the method's own work included. */
  readonly time: Measurement
  /** B L over the median time: tokens that one attention layer takes in a second. */
  readonly tokensPerSecond: number
  /** How much longer it takes than no positions, as a part of that: the median over rounds. */
  readonly overhead: number
  /** Bytes held beside inputs and output. */
  readonly memoryBytes: number
  readonly verification: Verification
  /** The backward pass, where that was asked for. */
  readonly training?: PositionTraining | undefined
  /** How the library says it computes this. */
  readonly explanation: unknown
}

/** All methods at one length. */
export interface PositionLengthResult {
  readonly length: number
  /** Those of the methods that were asked for, and of none. */
  readonly outcomes: Readonly<Partial<Record<PositionMethod, PositionOutcome>>>
}

/** Everything `attn positions` found out. Plain data. */
export interface PositionsReport {
  readonly schema: 'attn-positions/1'
  /** Time of the run, ISO 8601. */
  readonly created: string
  readonly environment: Environment
  readonly problem: PositionProblem
  readonly device: DeviceReport
  readonly results: readonly PositionLengthResult[]
}

/** Whether every method agreed with the CPU reference at every length. */
export function positionsVerified({ results }: PositionsReport): boolean {
  return results.every(({ outcomes }) =>
    Object.values(outcomes).every(
      ({ verification, training }) =>
        verification.passed && (training?.verification.passed ?? true),
    ),
  )
}
