// What `attn cache` finds out, as plain data: what quantised keys and values cost in precision, by the length of
// the context, and what reading caches of each kind takes.
import type { DeviceReport } from '../device/find-device.ts'
import type { Measurement } from '../measure/measure.ts'
import type { Environment } from '../report/run-report.ts'

/** Ways to keep keys and values, whose precision is compared. */
export const storages = [
  'float16',
  'q8_0',
  'q4_0',
  'keys q8_0, values q4_0',
  'q4_0, rotated',
  'q4_0, keys by channel',
  'q4_0, keys along tokens',
  'q8_0, keys along tokens',
] as const

/** One of them. */
export type Storage = (typeof storages)[number]

/** Errors of attention over one length. */
export interface CacheErrors {
  readonly keyLength: number
  /**
   * Root of the mean square of the errors over that of the outputs, against float64 of the unquantised
   * numbers; once for normal keys and once for keys some of whose channels are large, as those of models are.
   */
  readonly relative: Readonly<Record<'normal' | 'outliers', Readonly<Record<Storage, number>>>>
}

/** One kind of cache, timed. */
export interface CacheTime {
  readonly name: string
  readonly queryLength: number
  /** Where a tile was chosen by hand, what differs. */
  readonly tile?: Readonly<Record<string, number | boolean>> | undefined
  /** Bytes of keys and values that a call reads. */
  readonly bytes: number
  readonly gpu: Measurement
  /** Milliseconds of a call in a chain of calls, each submitted by itself, on the wall clock. */
  readonly chained?: number | undefined
  /** Milliseconds of the processor to submit one. */
  readonly host?: number | undefined
  /** Largest difference from the output of the first, over its root mean square. */
  readonly difference?: number | undefined
}

/** The whole. */
export interface CacheReport {
  readonly schema: 'attn-cache/1'
  readonly created: string
  readonly environment: Environment
  readonly errors: readonly CacheErrors[]
  readonly device?: DeviceReport | undefined
  readonly copyGigabytes?: number | undefined
  readonly shape?: Readonly<
    Record<'batch' | 'heads' | 'kvHeads' | 'keyLength' | 'headDim', number> & {
      valueDim?: number | undefined
    }
  >
  /** Whether subgroup matrices could be used. Older files do not say: they could. */
  readonly matrices?: boolean
  readonly times: readonly CacheTime[]
}
