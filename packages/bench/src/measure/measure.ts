// Repeats something on a stopwatch until the answer is worth printing: warm-up until the clock
// rates have settled, then samples that are each long against the clock's resolution.
import { rangeError } from '@attn/core'
import { summarize } from './statistics.ts'
import type { Summary } from './statistics.ts'

/** What a time was read from. */
export type Clock = 'gpu-timestamps' | 'wall-clock' | 'processor-time'

/** Something that can be run any number of times in a row and timed as a whole. */
export interface Stopwatch {
  readonly clock: Clock
  /** Runs the work so many times back to back; resolves to the milliseconds all of them took. */
  time(iterations: number): Promise<number>
}

/** How long and how often to measure. */
export interface MeasureOptions {
  /** Samples to take where the budget allows. Default: 10. */
  readonly samples?: number | undefined
  /**
   * Milliseconds that one sample should last, by running the work several times back to back.
   * Default: 20, as browsers round timestamps to 0.1 ms.
   */
  readonly sampleMilliseconds?: number | undefined
  /**
   * Milliseconds after which no further sample is begun once there are three; after three times as
   * many, one is enough. Default: 2000.
   */
  readonly budgetMilliseconds?: number | undefined
  /** Warm-up ends when two timings in a row differ by at most this part. Default: 0.05. */
  readonly stability?: number | undefined
  /** Warm-up ends after so many timings, once it has lasted as long as it must. Default: 12. */
  readonly warmUps?: number | undefined
  /**
   * Milliseconds that warm-up lasts at least. A GPU that has idled needs a second to reach its
   * clock rate, and two timings at the idle rate agree as well as any. Default: 0.
   */
  readonly warmUpMilliseconds?: number | undefined
}

/** As long as it takes an idle GPU to reach its clock rate: an H200 goes from 345 to 1,980 MHz. */
export const onGpu: MeasureOptions = { warmUpMilliseconds: 1000 }

/** Processors have no clock rates to warm up for seconds, and somebody is waiting. */
export const withoutGpu: MeasureOptions = {
  samples: 5,
  sampleMilliseconds: 5,
  budgetMilliseconds: 1000,
}

/** How long one run of something takes. */
export interface Measurement extends Summary {
  readonly clock: Clock
  /** Milliseconds of one run, sample by sample; the summary is over these. */
  readonly samples: readonly number[]
  /** Runs per sample. */
  readonly iterations: number
  /** Timings thrown away before the first sample. */
  readonly warmUps: number
}

const fewestSamples = 3
const patience = 3
const mostIterations = 1000

/**
 * Measures how long one run of the work on a stopwatch takes, in milliseconds.
 *
 * @throws RangeError for options out of range; whatever the work throws.
 *
 * @example
 * ```ts
 * import { cpuStopwatch, measure } from '@attn/bench'
 * const numbers = Float64Array.from({ length: 10_000 }, (_, index) => 1 / (index + 1))
 * const stopwatch = cpuStopwatch(() => numbers.toSorted())
 * const time = await measure(stopwatch, { samples: 5, sampleMilliseconds: 1 })
 * time.samples.length // => 5
 * time.minimum <= time.median // => true
 * ```
 */
export async function measure(
  stopwatch: Stopwatch,
  options: MeasureOptions = {},
): Promise<Measurement> {
  const {
    samples: wanted = 10,
    sampleMilliseconds = 20,
    budgetMilliseconds = 2000,
    stability = 0.05,
    warmUps: mostWarmUps = 12,
    warmUpMilliseconds = 0,
  } = options
  check({
    samples: wanted,
    sampleMilliseconds,
    budgetMilliseconds,
    stability,
    warmUps: mostWarmUps,
    warmUpMilliseconds,
  })

  let started = performance.now()
  const spent = (): number => performance.now() - started
  let iterations = 1
  let warmUps = 0
  for (let previous = Infinity; warmUps < mostWarmUps || spent() < warmUpMilliseconds;) {
    const elapsed = await stopwatch.time(iterations)
    warmUps++
    const each = elapsed / iterations
    const settled = Math.abs(each - previous) <= stability * each
    const longEnough = elapsed >= sampleMilliseconds / 2 || iterations === mostIterations
    const enough = (settled && longEnough) || spent() > budgetMilliseconds / 3
    if (enough && spent() >= warmUpMilliseconds) break
    previous = each
    // A clock that has not moved yet says nothing but 'more'.
    const fitting = elapsed > 0 ? Math.ceil(sampleMilliseconds / each) : iterations * 10
    iterations = Math.min(Math.max(fitting, 1), mostIterations)
  }

  // What warm-up had to last in any case is not taken from the samples.
  started += Math.min(spent(), warmUpMilliseconds)
  const samples: number[] = []
  const worthwhile = (): boolean => {
    if (samples.length === 0) return true
    const budgets = samples.length < fewestSamples ? patience : 1
    return samples.length < wanted && spent() < budgets * budgetMilliseconds
  }
  while (worthwhile()) samples.push((await stopwatch.time(iterations)) / iterations)
  return { clock: stopwatch.clock, samples, iterations, warmUps, ...summarize(samples) }
}

function check(options: Readonly<Record<keyof MeasureOptions, number>>): void {
  for (const [name, value] of Object.entries(options)) {
    const whole = name === 'samples' || name === 'warmUps'
    const none = name === 'warmUpMilliseconds' && value === 0
    if (!none && (!(value > 0) || !Number.isFinite(value) || (whole && !Number.isInteger(value)))) {
      const rule = whole ? 'a positive integer' : 'a positive number'
      throw rangeError(`measure: ${name} must be ${rule}, got ${value}`)
    }
  }
}

/**
 * A stopwatch around a function of this thread, read from `performance.now()`.
 *
 * @param work - Run once per iteration; a promise it returns is awaited.
 */
export function cpuStopwatch(work: () => unknown): Stopwatch {
  return {
    clock: 'wall-clock',
    async time(iterations) {
      const started = performance.now()
      for (let iteration = 0; iteration < iterations; iteration++) await work()
      return performance.now() - started
    },
  }
}
