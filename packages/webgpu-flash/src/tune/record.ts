// What tuning learned of a device: plain data that survives JSON, to be shipped with a site.
import type { DType } from '@attn/core'
import type { BackwardTile } from '../plan/backward/backward-tile.ts'
import type { ForwardTile } from '../plan/forward/tiles.ts'
import type { BackwardKernelTile, ForwardKernelTile } from '../plan/tuning.ts'

/** Version of the record's layout. */
export type TuningSchema = 'attn-tuning/1'

/** The one that is written and read. */
export const tuningSchema: TuningSchema = 'attn-tuning/1'

/** What a time was read from. */
export type TuningClock = 'gpu-timestamps' | 'wall-clock'

/** One candidate that ran. */
export interface MeasuredTile<Tile> {
  readonly tile: Tile
  /** Milliseconds of a call: the median over the rounds. */
  readonly milliseconds: number
  readonly samples: number
}

/** One candidate that did not run, and why: what the driver said, or that its results were wrong. */
export interface SkippedTile<Tile> {
  readonly tile: Tile
  readonly reason: string
}

/** The candidates for one kernel. */
export interface TunedKernel<Tile> {
  readonly best: Tile
  /** How many times faster `best` is than the planner's own choice, at least 1. */
  readonly speedUp: number
  /** The planner's own choice first. */
  readonly measured: readonly MeasuredTile<Tile>[]
  readonly skipped: readonly SkippedTile<Tile>[]
}

/** What was measured for one kind of calls. */
export interface TuningEntry {
  readonly dtype: DType
  readonly headDim: number
  readonly valueDim: number
  /** Queries of the calls it is for, both ends included; without `to`, any number from `from`. */
  readonly queryLengths: { readonly from: number; readonly to?: number | undefined }
  readonly masked: boolean
  /** The call that was measured. */
  readonly call: {
    readonly batch: number
    readonly heads: number
    readonly kvHeads: number
    readonly queryLength: number
    readonly keyLength: number
    readonly mask?: string | undefined
  }
  readonly forward: TunedKernel<ForwardKernelTile>
  /**
   * Of shapes with `training: true`. Milliseconds are those of the whole backward pass with this tile
   * in one kernel and the planner's choice in the other.
   */
  readonly backward?:
    | {
        /** Names the backward kernels that were measured; the tiles of others are ignored. */
        readonly kernels: string
        /** The kernel of dQ. */
        readonly query: TunedKernel<BackwardKernelTile>
        /** The kernel of dK and dV. */
        readonly key: TunedKernel<BackwardKernelTile>
      }
    | undefined
}

/** What has to be the same for a record to apply: the adapter, and what kernels may use of it. */
export interface TunedDevice {
  /** As the adapter says. Compared: vendor, architecture, and device where both sides say it. */
  readonly adapter: {
    readonly vendor: string
    readonly architecture: string
    readonly device: string
    /** Often the driver's version; for people. */
    readonly description: string
  }
  readonly shaderFloat16: boolean
  readonly subgroupMatrices: boolean
  readonly maxComputeWorkgroupStorageSize: number
  readonly maxComputeInvocationsPerWorkgroup: number
}

/** Everything `flash.tune` found out about a device. */
export interface TuningRecord {
  readonly schema: TuningSchema
  /** ISO 8601. */
  readonly created: string
  /** Names the forward kernels that were measured; records of others are ignored. */
  readonly kernels: string
  readonly device: TunedDevice
  readonly clock: TuningClock
  readonly entries: readonly TuningEntry[]
}

/** The names of a tile's sizes, in the order in which a record is checked. */
export const forwardTileSizes: readonly (keyof ForwardTile)[] = [
  'queries',
  'keys',
  'threadRows',
  'threadColumns',
  'dimChunk',
  'valueChunk',
]

/** The same for the backward pass. */
export const backwardTileSizes: readonly (keyof BackwardTile)[] = [
  'rows',
  'columns',
  'threadRows',
  'threadColumns',
  'dimChunk',
  'sourceChunk',
]

/** Lengths that are tuned together: a decoding step, a tile or two, and so on by fours. */
export function lengthBucket(queryLength: number): TuningEntry['queryLengths'] {
  let from = 1
  for (const to of [16, 64, 256, 1024, 4096]) {
    if (queryLength <= to) return { from, to }
    from = to + 1
  }
  return { from }
}
