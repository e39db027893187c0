// The JSON file of `attn peers`: a row per problem, implementation and set of flags, with every
// sample. `schema` changes whenever a field changes its meaning.
import type { DeviceReport } from '../device/find-device.ts'
import type { ChainMeasurement } from '../measure/chain-difference.ts'
import type { Summary } from '../measure/statistics.ts'
import type { Ceilings } from '../peers/ceilings.ts'
import type { PeerShape } from '../peers/peer.ts'
import type { Skipped } from '../suites/outcome.ts'
import type { Environment } from './run-report.ts'

/** Under which of Dawn's switches, or `native` where a runtime of its own decides. */
export type PeerFlags = 'browser-equivalent' | 'unchecked' | 'native'

/** How a result compares with another. */
export interface Agreement {
  /** Ours is compared with the CPU reference in float64, peers with ours. */
  readonly with: 'reference' | 'attn'
  readonly difference: number
  readonly allowedDifference: number
  readonly agrees: boolean
}

/** An implementation that was run and timed. */
export interface MeasuredPeer {
  readonly status: 'measured'
  /** Milliseconds of one call, by the difference of chains of 9 and of 1. */
  readonly time: ChainMeasurement
  /** Milliseconds of one call by the GPU's own clock, where that can be read. */
  readonly gpuTime?: Summary & { readonly samples: readonly number[] }
  /** 4 D operations per visible pair, per second of `time`, in units of 10^12. */
  readonly teraflops: number
  /** Bytes of inputs and output per second of `time`, in units of 10^9. */
  readonly gigabytes: number
  readonly agreement: Agreement
}

/** One implementation on one problem. */
export interface PeerRow {
  readonly shape: PeerShape
  readonly peer: string
  readonly variant: string
  readonly flags: PeerFlags
  readonly outcome: MeasuredPeer | Skipped
}

/** Everything `attn peers` found out. Plain data. */
export interface PeersReport {
  readonly schema: 'attn-peers/1'
  /** Time of the run, ISO 8601. */
  readonly created: string
  readonly environment: Environment
  readonly device: DeviceReport
  /** By flags. */
  readonly ceilings: Readonly<Partial<Record<PeerFlags, Ceilings>>>
  /** Versions by peer. */
  readonly versions: Readonly<Record<string, string>>
  /** Peers that could not run, and why. */
  readonly missing: readonly { readonly peer: string; readonly reason: string }[]
  readonly rows: readonly PeerRow[]
}

/** Whether our own results are right. A peer that is wrong is a line, not a failure. */
export function oursAgree({ rows }: PeersReport): boolean {
  return rows.every(
    ({ peer, outcome }) =>
      peer !== 'attn' || outcome.status === 'skipped' || outcome.agreement.agrees,
  )
}
