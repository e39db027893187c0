// The roofline model (Williams, Waterman and Patterson, CACM 2009): a computation takes at least as
// long as its bytes need at the memory's bandwidth, and at least as long as its operations need at the
// processor's rate. Which of the two is longer says what to make better.
import { rangeError } from '../errors.ts'

/** A computation, and the device that is to run it. */
export interface RooflineOptions {
  /** Bytes that cross between memory and chip. */
  readonly bytes: number
  /** Floating-point operations. */
  readonly operations: number
  /** Of the memory, in bytes a second. */
  readonly bandwidth: number
  /** Of the processor, in operations a second. */
  readonly rate: number
}

/** What a computation is bound by. */
export interface Roofline {
  /** Seconds that the bytes take. */
  readonly memorySeconds: number
  /** Seconds that the operations take. */
  readonly computeSeconds: number
  /** The longer one: no run is faster, if both overlap. */
  readonly seconds: number
  readonly bound: 'memory' | 'compute'
  /** Operations a byte of this computation. Infinity where nothing is moved. */
  readonly intensity: number
  /** Operations a byte from which on the device is compute-bound. */
  readonly ridge: number
  /** Operations a second that this computation can reach. */
  readonly attainableRate: number
}

/**
 * The time bounds of a computation on a device.
 *
 * @throws RangeError for negative amounts, or a bandwidth or rate that is not positive.
 *
 * @example
 * ```ts
 * import { memoryTraffic, roofline } from '@attn/core'
 * const shape = { queryLength: 1024, headDim: 64, heads: 16, batch: 64, dtype: 'float16' } as const
 * const a100 = { bandwidth: 1.55e12, rate: 312e12 }
 * roofline({ ...memoryTraffic({ algorithm: 'standard', ...shape }), ...a100 }).bound // => 'memory'
 * roofline({ ...memoryTraffic({ algorithm: 'flash', ...shape }), ...a100 }).bound // => 'memory'
 * const tall = { queryBlockSize: 512, algorithm: 'flash' } as const
 * roofline({ ...memoryTraffic({ ...tall, ...shape }), ...a100 }).bound // => 'compute'
 * ```
 */
export function roofline(options: RooflineOptions): Roofline {
  const { bytes, operations, bandwidth, rate } = options
  for (const [name, value] of Object.entries({ bytes, operations })) {
    if (!(value >= 0)) throw rangeError(`roofline: ${name} must be 0 or more, got ${value}`)
  }
  for (const [name, value] of Object.entries({ bandwidth, rate })) {
    if (!(value > 0)) throw rangeError(`roofline: ${name} must be positive, got ${value}`)
  }
  const memorySeconds = bytes / bandwidth
  const computeSeconds = operations / rate
  const seconds = Math.max(memorySeconds, computeSeconds)
  return {
    memorySeconds,
    computeSeconds,
    seconds,
    bound: memorySeconds > computeSeconds ? 'memory' : 'compute',
    intensity: bytes === 0 ? Infinity : operations / bytes,
    ridge: rate / bandwidth,
    attainableRate: seconds === 0 ? rate : operations / seconds,
  }
}
