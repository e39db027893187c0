// Times several things in turn, round after round, so that none is measured on a cold clock and none on
// a hot one: GPUs take a second of work to reach their clock rate and fall back when idle.
import type { Stopwatch } from '../measure/measure.ts'

/** What is timed. */
export interface Contestant {
  readonly stopwatch: Stopwatch
}

/** How long to measure. */
export interface ContestOptions {
  /** Rounds. Default: 7. */
  readonly rounds?: number | undefined
  /** Milliseconds of work before the first round. Default: 1200. */
  readonly warmUpMilliseconds?: number | undefined
  /** Milliseconds that one sample should last. Default: 15. */
  readonly sampleMilliseconds?: number | undefined
  /** Milliseconds after which no further round begins. Default: 6000. */
  readonly budgetMilliseconds?: number | undefined
}

/** Milliseconds of one run, for each contestant the samples of all rounds. */
export async function contest(
  contestants: readonly Contestant[],
  options: ContestOptions = {},
): Promise<number[][]> {
  const { rounds = 7, warmUpMilliseconds = 1200 } = options
  const { sampleMilliseconds = 15, budgetMilliseconds = 6000 } = options
  const samples: number[][] = contestants.map(() => [])
  const iterations = contestants.map(() => 1)
  const started = performance.now()
  let worked = 0
  const timeEach = async (take: (index: number, each: number) => void): Promise<void> => {
    for (const [index, { stopwatch }] of contestants.entries()) {
      const elapsed = await stopwatch.time(iterations[index]!)
      worked += elapsed
      take(index, elapsed / iterations[index]!)
    }
  }
  for (;;) {
    await timeEach((index, each) => {
      const fitting = Math.ceil(sampleMilliseconds / Math.max(each, 1e-3))
      iterations[index] = Math.min(Math.max(fitting, 1), 1000)
    })
    if (worked >= warmUpMilliseconds) break
    if (performance.now() - started >= 4 * warmUpMilliseconds) break
  }
  const measuring = performance.now()
  for (let round = 0; round < rounds; round++) {
    await timeEach((index, each) => samples[index]!.push(each))
    if (performance.now() - measuring > budgetMilliseconds) break
  }
  return samples
}
