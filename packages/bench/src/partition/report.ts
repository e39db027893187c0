// What `attn partition` finds out: plain data.
import type { DeviceReport } from '../device/find-device.ts'
import type { Measurement } from '../measure/measure.ts'
import type { Environment } from '../report/run-report.ts'
import type { Skipped } from '../suites/outcome.ts'
import type { Verification } from '../verify/expectation.ts'

/** The partitions, and the library's own kernel beside them. */
export const partitions = ['keysOutside', 'wholeHeads', 'queryTiles', 'library'] as const
/** One of them. */
export type Partition = (typeof partitions)[number]

/** For people. */
export const partitionNames: Readonly<Record<Partition, string>> = {
  keysOutside: 'keys outside, a workgroup a head',
  wholeHeads: 'queries outside, a workgroup a head',
  queryTiles: 'queries outside, a workgroup a query tile',
  library: 'attn flash',
}

/** A partition that was run, verified and timed. */
export interface MeasuredPartition {
  readonly status: 'measured'
  readonly time: Measurement
  readonly teraflops: number
  /** Independent pieces of work. */
  readonly workgroups: number
  /** Bytes that the schedule moves between memory and workgroups, as counted. */
  readonly trafficBytes: number
  readonly verification: Verification
}

/** All partitions at one number of heads and one length. */
export interface PartitionResult {
  /** B x H. */
  readonly heads: number
  readonly length: number
  readonly outcomes: Readonly<Record<Partition, MeasuredPartition | Skipped>>
}

/** The JSON file. */
export interface PartitionReport {
  readonly schema: 'attn-partition/1'
  readonly created: string
  readonly environment: Environment
  readonly device: DeviceReport
  readonly headDim: number
  readonly results: readonly PartitionResult[]
}

/** Whether every result was right. */
export function partitionsVerified({ results }: PartitionReport): boolean {
  return results.every(({ outcomes }) =>
    Object.values(outcomes).every(
      (outcome) => outcome.status === 'skipped' || outcome.verification.passed,
    ),
  )
}
