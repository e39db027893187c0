// What `attn sparse` finds out: plain data, as it is written to JSON.
import type { DType } from '@attn/core'
import type { DeviceReport } from '../device/find-device.ts'
import type { Environment } from '../report/run-report.ts'
import type { Verification } from '../verify/expectation.ts'
import type { Summary } from '../measure/statistics.ts'
import type { PatternName } from './patterns.ts'

/** Something timed at one length, in milliseconds of one run over all heads. */
export interface SparseTime extends Summary {
  readonly samples: readonly number[]
  /** Heads that were run; a time over fewer is multiplied. */
  readonly headsMeasured: number
}

/** Causal flash attention's time. */
export interface CausalTime extends SparseTime {
  /** The length that it was measured at, where this one would have taken too long. */
  readonly extrapolatedFrom?: number | undefined
}

/** One pattern at one length. */
export interface SparseResult {
  readonly name: PatternName
  readonly label: string
  readonly time: SparseTime
  readonly verification: Verification
  /** Milliseconds that planning took on the CPU. */
  readonly planMilliseconds: number
  /** Tiles visited as a part of those that causal flash attention visits. */
  readonly workRatio: number
  /** Visible pairs as a part of those that causal attention sees. */
  readonly pairRatio: number
  /** Its time as a part of that of causal flash attention. */
  readonly timeRatio: number
  /** `timeRatio / workRatio`: 1 where a tile takes as long as in causal attention. */
  readonly timePerWork: number
  readonly timePerPair: number
  /** How the plan explains itself. */
  readonly explanation: unknown
}

/** All patterns at one length. */
export interface SparseLength {
  readonly length: number
  readonly causal: CausalTime
  /** Causal attention that writes its scores down, where they fit. */
  readonly standard?: SparseTime | undefined
  readonly results: readonly SparseResult[]
  /** Their backward passes, where these were asked for. */
  readonly backward?: SparseBackward | undefined
}

/** The backward pass of one pattern at one length. */
export interface SparseGradients extends Pick<
  SparseResult,
  'name' | 'label' | 'time' | 'verification'
> {
  /** Operations of the tiles that are visited, 10^12 a second: what patterns and lengths are compared by. */
  readonly teraflops: number
  /** Operations of visited tiles as a part of those of causal attention backward, where that was run. */
  readonly workRatio?: number | undefined
  /** Visible pairs as a part of those that causal attention sees. */
  readonly pairRatio?: number | undefined
  readonly timeRatio?: number | undefined
  /** How the plan explains its backward pass. */
  readonly explanation: unknown
}

/** The backward passes of all patterns at one length. */
export interface SparseBackward {
  /** Of causal flash attention; undefined where it would have taken too long. */
  readonly causal?: SparseTime | undefined
  readonly results: readonly SparseGradients[]
}

/** FlexAttention with one mask at one length, in milliseconds of one run over all heads. */
export interface FlexTime extends Summary {
  readonly length: number
  readonly name: PatternName | 'causal'
  readonly samples: readonly number[]
  /** Pairs that its mask lets through, in one head. */
  readonly pairs: number
  /** Part of its tiles of 128 by 128 that are empty. */
  readonly emptyBlocks: number
  readonly compileSeconds: number
}

/** What FlexAttention took, and where it could not run. */
export interface FlexReport {
  /** Of PyTorch; empty where there is none. */
  readonly version: string
  readonly device: string
  readonly times: readonly FlexTime[]
  /** Why something was not measured, for people. */
  readonly notes: readonly string[]
}

/** Everything `attn sparse` found out. */
export interface SparseReport {
  readonly schema: 'attn-sparse/1'
  /** Time of the run, ISO 8601. */
  readonly created: string
  readonly environment: Environment
  readonly device: DeviceReport
  readonly problem: {
    readonly dtype: DType
    readonly batch: 1
    readonly heads: number
    readonly headDim: number
    readonly lengths: readonly number[]
  }
  readonly results: readonly SparseLength[]
  /** PyTorch's FlexAttention on the same masks, where it was asked for. */
  readonly flex?: FlexReport | undefined
  /** Lengths that the device had no room for. */
  readonly skipped: readonly { readonly length: number; readonly reason: string }[]
}

/** Whether every row that was compared with the reference passed. */
export function allRowsVerified({ results }: SparseReport): boolean {
  return results.every(({ results: forward, backward }) =>
    [...forward, ...(backward?.results ?? [])].every(({ verification }) => verification.passed),
  )
}
