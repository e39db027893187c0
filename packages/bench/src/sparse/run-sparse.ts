// `attn sparse`: goes through the lengths, shortest first, so that each tells how long causal attention
// will take at the next.
import { rangeError, UnsupportedError } from '@attn/core'
import { GpuOutOfMemoryError } from '@attn/webgpu-flash'
import { browserEquivalent, unchecked } from '../device/dawn-flags.ts'
import { GpuWorkError } from '../device/error-scope.ts'
import { findDevice } from '../device/find-device.ts'
import { flashOn } from '../device/flash-on.ts'
import type { DeviceKind } from '../device/find-device.ts'
import type { Environment } from '../report/run-report.ts'
import { runBackwardLength } from './backward-length.ts'
import { calibrate } from './calibrate.ts'
import type { SparseLength, SparseReport } from './report.ts'
import { runLength } from './run-length.ts'
import type { LengthOptions } from './run-length.ts'

/** What to run and on what. */
export interface SparseOptions extends LengthOptions {
  /** Default: the best WebGPU device there is. */
  readonly device?: Exclude<DeviceKind, 'cpu'> | 'auto' | undefined
  /** Whether Dawn's safety checks are off, as no browser can have them. Default: false. */
  readonly toggles?: boolean | undefined
  /** Multiples of 64. */
  readonly lengths: readonly number[]
  readonly environment: Environment
  /** Told before each length. */
  readonly onLength?: ((length: number, index: number) => void) | undefined
}

/**
 * Runs the comparison.
 *
 * @throws RangeError for lengths that are no multiples of 64; UnsupportedError without WebGPU.
 */
export async function runSparse(options: SparseOptions): Promise<SparseReport> {
  const { lengths, heads, headDim, dtype = 'float32', device: kind = 'auto' } = options
  for (const length of lengths) {
    if (!Number.isInteger(length) || length < 64 || length % 64 !== 0) {
      throw rangeError(`attn sparse: lengths must be multiples of 64, got ${length}`)
    }
  }
  if (headDim % 4 !== 0 || headDim > 256) {
    throw rangeError(
      `attn sparse: headDim must be a multiple of four and at most 256, got ${headDim}`,
    )
  }
  const created = new Date().toISOString()
  const found = await findDevice({ kind, flags: options.toggles ? unchecked : browserEquivalent })
  try {
    if (found.kind === 'cpu') {
      throw new UnsupportedError('attn sparse: needs a WebGPU device, found none; install a driver')
    }
    const flash = await flashOn(found)
    const results: SparseLength[] = []
    const skipped: SparseReport['skipped'][number][] = []
    try {
      const ordered = lengths.toSorted((a, b) => a - b)
      let measured = ordered[0] ? await calibrate(flash, options, ordered[0]) : undefined
      for (const [index, length] of ordered.entries()) {
        options.onLength?.(length, index)
        try {
          const result = await runLength(flash, options, length, measured)
          if (result.causal.extrapolatedFrom === undefined) measured = result
          const backward = options.backward
            ? await runBackwardLength(flash, options, length, backwardFits(result, options))
            : undefined
          results.push({ ...result, ...(backward && { backward }) })
        } catch (error) {
          if (!isTooLarge(error)) throw error
          skipped.push({ length, reason: (error as Error).message })
        }
      }
    } finally {
      flash.destroy()
    }
    return {
      schema: 'attn-sparse/1',
      created,
      environment: options.environment,
      device: found.report,
      problem: { dtype, batch: 1, heads, headDim, lengths },
      results,
      skipped,
    }
  } finally {
    found.release()
  }
}

/** Causal attention takes about five times as long backward as forward, most. */
function backwardFits({ causal }: SparseLength, { heads, seconds = 1 }: SparseOptions): boolean {
  return causal.headsMeasured === heads && 5 * causal.median <= 1000 * seconds
}

function isTooLarge(error: unknown): boolean {
  return (
    error instanceof UnsupportedError ||
    error instanceof GpuOutOfMemoryError ||
    (error instanceof GpuWorkError && (error.outOfMemory || error.message.startsWith('inputs')))
  )
}
