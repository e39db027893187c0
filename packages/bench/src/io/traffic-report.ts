// `attn io`: memory traffic of standard and flash attention over lengths, dims and sizes of fast memory, the
// bounds of FlashAttention's theorem 2 with constants fitted to the counts, and where the curves cross
// (arXiv 2205.14135, section 3.2). Counted, not measured, so that it needs no device.
import { memoryTraffic, rangeError } from '@attn/core'
import type { LoopOrder, MemoryTrafficOptions } from '@attn/core'

/** What to count. */
export interface TrafficOptions {
  /** N. Default: 256 to 16,384 in steps of 4. */
  readonly lengths?: readonly number[]
  /** D. Default: 64 and 128. */
  readonly headDims?: readonly number[]
  /** M in elements, for the curves over lengths. Default: 98,304, which is 192 KiB of float16. */
  readonly onChipElements?: number
  /** N of the curves over M and of the crossing. Default: 2,048. */
  readonly crossingLength?: number
  /** Default: `forward`. */
  readonly pass?: 'forward' | 'backward' | 'both'
}

/** Elements of one head at one N, D and M. */
export interface TrafficRow {
  readonly length: number
  readonly headDim: number
  readonly onChipElements: number
  readonly standard: number
  /** FlashAttention's loop order. */
  readonly keysOutside: number
  /** FlashAttention-2's. */
  readonly queriesOutside: number
}

/** Where flash attention begins to move less than standard attention. */
export interface Crossing {
  readonly headDim: number
  readonly length: number
  /** M in units of D^2. */
  readonly keysOutside: number
  readonly queriesOutside: number
}

/** Everything `attn io` counts. Plain data. */
export interface TrafficReport {
  readonly schema: 'attn-io/1'
  readonly pass: 'forward' | 'backward' | 'both'
  /** Over N, with M as given. */
  readonly overLength: readonly TrafficRow[]
  /** Over M, with N as given. */
  readonly overMemory: readonly TrafficRow[]
  readonly crossings: readonly Crossing[]
  /** Constants c of c (N D + N^2) and c N^2 D^2 / M, fitted to the counts over M in their logarithms. */
  readonly constants: {
    readonly standard: number
    readonly keysOutside: number
    readonly queriesOutside: number
  }
}

/** M in units of D^2, from D^2 on, in steps of the root of two. */
const shares = Array.from({ length: 13 }, (_, index) => 2 ** (index / 2))

/**
 * Counts.
 *
 * @throws RangeError for sizes that are not positive integers, or an M that does not hold the tiles.
 */
export function countTrafficCurves(options: TrafficOptions = {}): TrafficReport {
  const { lengths = [256, 1024, 4096, 16384], headDims = [64, 128] } = options
  const { onChipElements = 98304, crossingLength = 2048, pass = 'forward' } = options
  const counted = (length: number, headDim: number, memory: number): TrafficRow => {
    const shape = { queryLength: length, headDim }
    const flash = (loopOrder: LoopOrder): number =>
      count(pass, { algorithm: 'flash', loopOrder, onChipElements: memory, ...shape })
    return {
      length,
      headDim,
      onChipElements: memory,
      standard: count(pass, { algorithm: 'standard', ...shape }),
      keysOutside: flash('keys-outside'),
      queriesOutside: flash('queries-outside'),
    }
  }
  const overLength = headDims.flatMap((headDim) =>
    lengths.map((length) => counted(length, headDim, onChipElements)),
  )
  const overMemory = headDims.flatMap((headDim) =>
    shares
      .map((share) => Math.round(share * headDim ** 2))
      // Beyond N D the theorem says nothing: everything fits.
      .filter((memory) => memory <= crossingLength * headDim)
      .map((memory) => counted(crossingLength, headDim, memory)),
  )
  const crossings = headDims.map((headDim) => ({
    headDim,
    length: crossingLength,
    keysOutside: crossing(crossingLength, headDim, (memory) => {
      const row = counted(crossingLength, headDim, memory)
      return row.keysOutside < row.standard
    }),
    queriesOutside: crossing(crossingLength, headDim, (memory) => {
      const row = counted(crossingLength, headDim, memory)
      return row.queriesOutside < row.standard
    }),
  }))
  const constants = {
    standard: fit([...overLength, ...overMemory], 'standard', standardBound),
    keysOutside: fit(overMemory, 'keysOutside', flashBound),
    queriesOutside: fit(overMemory, 'queriesOutside', flashBound),
  }
  return { schema: 'attn-io/1', pass, overLength, overMemory, crossings, constants }
}

/** N D + N^2. */
export function standardBound({ length, headDim }: TrafficRow): number {
  return length * headDim + length ** 2
}

/** N^2 D^2 / M. */
export function flashBound({ length, headDim, onChipElements }: TrafficRow): number {
  return (length * headDim) ** 2 / onChipElements
}

function count(pass: TrafficReport['pass'], options: MemoryTrafficOptions): number {
  const counted = (each: 'forward' | 'backward'): number =>
    memoryTraffic({ ...options, pass: each }).total
  return pass === 'both' ? counted('forward') + counted('backward') : counted(pass)
}

/** The factor that brings a bound nearest to the counts, all ratios alike. */
function fit(
  rows: readonly TrafficRow[],
  name: keyof TrafficReport['constants'],
  bound: (row: TrafficRow) => number,
): number {
  const logarithms = rows.map((row) => Math.log(row[name] / bound(row)))
  return Math.exp(logarithms.reduce((sum, value) => sum + value, 0) / rows.length)
}

/**
 * The smallest M from which on flash attention moves less, in units of D^2, to a twentieth. Tiles are
 * whole, so the curve has steps; what is larger is not looked at again.
 */
function crossing(length: number, headDim: number, less: (memory: number) => boolean): number {
  for (let step = 20; step <= 20 * 64; step++) {
    const memory = Math.round((step / 20) * headDim ** 2)
    if (memory >= 4 * headDim && less(memory)) return step / 20
  }
  throw rangeError(
    `attn io: no M of at most 64 D^2 crosses at length ${length} and head dim ${headDim}; use longer sequences`,
  )
}
