// Times of several things measured against one another: warmed up by time, since a GPU idles at a
// fraction of its clock rate, then a sample of each in turn, so that what changes slowly (clock rates,
// temperature, other programs) changes for all of them alike. Medians, as only delays disturb a time.

/** How long to measure. */
export interface RoundOptions {
  /** Milliseconds of work before the first sample. */
  readonly warmUpMilliseconds: number
  /** Milliseconds after which no further round is begun, warm-up included. */
  readonly budgetMilliseconds: number
  /** Milliseconds that a sample should last, by running the work several times. */
  readonly sampleMilliseconds: number
  /** Called before each timing; may throw to end the measurement. */
  readonly onStep: (spentShare: number) => void
}

/** Times one of the things: milliseconds of so many runs. */
export type TimeRuns = (runs: number) => Promise<number>

/** The samples of one thing, in milliseconds of one run. */
export interface RoundResult {
  readonly milliseconds: number
  readonly samples: number
}

const mostRounds = 25
const mostRuns = 1000

/** Measures everything in turns; at least one sample each, whatever the budget. */
export async function measureRounds(
  timers: readonly TimeRuns[],
  { warmUpMilliseconds, budgetMilliseconds, sampleMilliseconds, onStep }: RoundOptions,
): Promise<RoundResult[]> {
  const started = performance.now()
  const spent = (): number => performance.now() - started
  const runs = timers.map(() => 1)
  const timed = async (index: number): Promise<number> => {
    onStep(Math.min(1, spent() / budgetMilliseconds))
    const each = (await timers[index]!(runs[index]!)) / runs[index]!
    // A clock that has not moved yet says nothing but 'more'.
    const fitting = each > 0 ? Math.ceil(sampleMilliseconds / each) : 10 * runs[index]!
    runs[index] = Math.min(Math.max(1, fitting), mostRuns)
    return each
  }
  const indices = [...timers.keys()]
  do {
    for (const index of indices) await timed(index)
  } while (spent() < warmUpMilliseconds)

  const samples = timers.map(() => [] as number[])
  for (let round = 0; round < mostRounds; round++) {
    if (round > 0 && spent() > budgetMilliseconds) break
    for (const index of indices) samples[index]!.push(await timed(index))
  }
  return samples.map((times) => ({ milliseconds: median(times), samples: times.length }))
}

function median(times: readonly number[]): number {
  const ordered = times.toSorted((left, right) => left - right)
  const middle = ordered.length >> 1
  return ordered.length % 2 === 1 ? ordered[middle]! : (ordered[middle - 1]! + ordered[middle]!) / 2
}
