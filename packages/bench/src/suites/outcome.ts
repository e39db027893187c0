// What `attn run` finds out about one method at one length. Plain data: it goes to the table, to the
// chart and to the JSON file as it is.
import type { MeasuredBackward } from '../gradients/measure.ts'
import type { Measurement } from '../measure/measure.ts'
import type { Verification } from '../verify/expectation.ts'
import type { Method } from './problem.ts'

/** A method that was run, verified and timed. */
export interface Measured {
  readonly status: 'measured'
  /** Milliseconds of one run. */
  readonly time: Measurement
  /** 4 D operations per visible pair and head. */
  readonly operations: number
  /** `operations` per second in the median run, in units of 10^12. */
  readonly teraflops: number
  /** Bytes held beside inputs and output while it ran. */
  readonly memoryBytes: number
  /** Undefined where an earlier configuration has verified it. */
  readonly verification: Verification
  /** The backward pass, where that was asked for. */
  readonly backward?: MeasuredBackward | Skipped | undefined
  /** How the library says it computes this, where it says so. */
  readonly explanation?: unknown
}

/** A method that was not run. */
export interface Skipped {
  readonly status: 'skipped'
  /** For people, short: `needs 17.2 GB`. */
  readonly reason: string
}

/** Either of the two. */
export type Outcome = Measured | Skipped

/** All methods at one length. */
export interface LengthResult {
  readonly length: number
  readonly outcomes: Readonly<Record<Method, Outcome>>
}

/** Tells how far a run has come. */
export interface Progress {
  readonly done: number
  readonly total: number
  /** What is being done now: `flash, length 4096`. */
  readonly label: string
}
