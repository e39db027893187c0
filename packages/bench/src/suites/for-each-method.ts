// The part of a run that is the same on every device: method by method, with progress, and without
// what would take too long.
import type { MeasureOptions } from '../measure/measure.ts'
import type { LengthResult, Outcome } from './outcome.ts'
import { methods, visiblePairs } from './problem.ts'
import type { Method, Problem } from './problem.ts'

/** How far a run may go. */
export interface RunLimits {
  /** Bytes of scores that standard attention may write down. */
  readonly memoryBytes: number
  /** Seconds that a single run of a method may take, as far as shorter lengths let one foresee. */
  readonly seconds: number
  readonly measure: MeasureOptions
  /** Whether to run and time backward passes as well. */
  readonly backward?: boolean
}

/** Told before each method. */
export type StepListener = (method: Method, length: number) => void

/** Runs every method at one length, in order, apart from those that shorter lengths rule out. */
export async function forEachMethod(
  problem: Problem,
  length: number,
  limits: RunLimits,
  before: readonly LengthResult[],
  onStep: StepListener,
  run: (method: Method) => Promise<Outcome>,
): Promise<LengthResult> {
  const outcomes: Partial<Record<Method, Outcome>> = {}
  for (const method of methods) {
    onStep(method, length)
    const seconds = foreseenSeconds(problem, method, length, before)
    outcomes[method] =
      seconds > limits.seconds
        ? { status: 'skipped', reason: `would take about ${Math.round(seconds)} s` }
        : await run(method)
  }
  return { length, outcomes: outcomes as Record<Method, Outcome> }
}

/** Seconds of one run, scaled by the number of pairs from the last length measured; else 0. */
function foreseenSeconds(
  problem: Problem,
  method: Method,
  length: number,
  before: readonly LengthResult[],
): number {
  const last = before.findLast(({ outcomes }) => outcomes[method].status === 'measured')
  const outcome = last?.outcomes[method]
  if (!last || outcome?.status !== 'measured') return 0
  const pairs = (at: number): number => visiblePairs(problem, method, at)
  return (outcome.time.median / 1000) * (pairs(length) / pairs(last.length))
}
