// `attn cache`: what caches of keys and values cost, in precision and in time.
import { browserEquivalent } from '../device/dawn-flags.ts'
import { findDevice } from '../device/find-device.ts'
import type { DeviceKind } from '../device/find-device.ts'
import { flashOn } from '../device/flash-on.ts'
import { measureCeilings } from '../peers/ceilings.ts'
import type { Environment } from '../report/run-report.ts'
import type { Progress } from '../suites/outcome.ts'
import { measureErrors } from './measure-errors.ts'
import { measureTimes } from './measure-times.ts'
import type { CacheShape } from './measure-times.ts'
import type { CacheReport } from './report.ts'

/** What to measure. */
export interface CacheOptions {
  /** Lengths to measure errors at; none leaves them out. Default: 1,024 to 131,072. */
  readonly errors?: readonly number[] | undefined
  /** Whether to measure times. Default: true. */
  readonly times?: boolean | undefined
  readonly device?: DeviceKind | 'auto' | undefined
  readonly shape?: Partial<CacheShape> | undefined
  /** Whether tiles besides the planner's are measured. Default: false. */
  readonly tiles?: boolean | undefined
  /** Whether subgroup matrices may be used, which browsers have behind a flag only. Default: true. */
  readonly matrices?: boolean | undefined
  readonly environment: Environment
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

const lengths = [1024, 4096, 16384, 65536, 131072]
const large: CacheShape = { batch: 8, heads: 32, kvHeads: 8, keyLength: 16384, headDim: 128 }
const small: CacheShape = { batch: 1, heads: 4, kvHeads: 2, keyLength: 256, headDim: 64 }

/** Runs it. */
export async function runCache(options: CacheOptions): Promise<CacheReport> {
  const {
    errors: wanted = lengths,
    times: timed = true,
    tiles = false,
    matrices = true,
    environment,
  } = options
  const report = { schema: 'attn-cache/1', created: new Date().toISOString(), environment } as const
  const errors = wanted.map((length, done) => {
    options.onProgress?.({ done, total: wanted.length, label: `errors at ${length} tokens` })
    return measureErrors(length)
  })
  if (!timed) return { ...report, errors, times: [] }
  const found = await findDevice({ kind: options.device ?? 'auto', flags: browserEquivalent })
  try {
    if (found.kind === 'cpu') return { ...report, errors, device: found.report, times: [] }
    const real = found.kind === 'gpu'
    const shape = { ...(real ? large : small), ...options.shape }
    const flash = await flashOn(found)
    try {
      options.onProgress?.({ done: 0, total: 1, label: 'times' })
      const { copyGigabytes } = await measureCeilings(found.device, [], !real)
      const times = await measureTimes(flash, shape, { tiles, matrices, seconds: real ? 1 : 0 })
      return { ...report, errors, device: found.report, copyGigabytes, shape, matrices, times }
    } finally {
      flash.destroy()
    }
  } finally {
    found.release()
  }
}
