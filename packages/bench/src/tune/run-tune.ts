// `attn tune`: finds a device as `attn run` does, and tunes the library on it.
import { UnsupportedError } from '@attn/core'
import type { TuneProgress, TuningRecord } from '@attn/webgpu-flash'
import { browserEquivalent } from '../device/dawn-flags.ts'
import { findDevice } from '../device/find-device.ts'
import { flashOn } from '../device/flash-on.ts'
import type { DeviceReport } from '../device/find-device.ts'
import { tuneShapes } from './shapes.ts'
import type { TuneProblem } from './shapes.ts'

/** What to tune, and on what. */
export interface RunTuneOptions {
  readonly device: 'auto' | 'gpu' | 'software'
  readonly problem: TuneProblem
  /** Milliseconds for each kernel. */
  readonly budgetMilliseconds: number
  /** Candidates for each kernel. Default: all that fit. */
  readonly candidates?: number
  /** Told once, before anything is measured. */
  readonly onDevice?: (device: DeviceReport, shapes: number) => void
  readonly onProgress?: (progress: TuneProgress) => void
}

/**
 * Tunes with the flags of a browser, since browsers are what a site's record is for.
 *
 * @throws UnsupportedError where there is no WebGPU device; RangeError for sizes out of range.
 */
export async function runTune(options: RunTuneOptions): Promise<TuningRecord> {
  const { device: kind, problem, budgetMilliseconds, candidates, onProgress } = options
  const shapes = tuneShapes(problem)
  const found = await findDevice({ kind, flags: browserEquivalent })
  try {
    if (found.kind === 'cpu') {
      throw new UnsupportedError('attn tune: needs a WebGPU device, found none; install a driver')
    }
    options.onDevice?.(found.report, shapes.length)
    const flash = await flashOn(found)
    try {
      return await flash.tune({
        shapes,
        budgetMilliseconds,
        warmUpMilliseconds: Math.min(1000, budgetMilliseconds / 2),
        ...(candidates === undefined ? {} : { candidates }),
        ...(onProgress ? { onProgress } : {}),
      })
    } finally {
      flash.destroy()
    }
  } finally {
    found.release()
  }
}
