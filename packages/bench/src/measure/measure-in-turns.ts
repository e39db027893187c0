// Several things measured against one another: a sample of each in turn, so that what changes slowly
// (clock rates, temperature, other programs) changes for all of them alike.
import { measure } from './measure.ts'
import type { MeasureOptions, Measurement, Stopwatch } from './measure.ts'
import { summarize } from './statistics.ts'

/**
 * Measures all stopwatches in turns, after each has been warmed up by itself.
 *
 * @returns A measurement for each; sample i of all was taken in the same round.
 * @throws RangeError for options out of range; whatever the work throws.
 */
export async function measureInTurns(
  stopwatches: readonly Stopwatch[],
  options: MeasureOptions = {},
): Promise<Measurement[]> {
  const { samples: rounds = 10, budgetMilliseconds = 2000 } = options
  const warm: Measurement[] = []
  for (const stopwatch of stopwatches) {
    warm.push(await measure(stopwatch, { ...options, samples: 1 }))
  }
  const samples = warm.map(() => [] as number[])
  const started = performance.now()
  const spent = (): number => performance.now() - started
  for (let round = 0; round < rounds; round++) {
    if (round > 0 && spent() > budgetMilliseconds * stopwatches.length) break
    for (const [index, stopwatch] of stopwatches.entries()) {
      const { iterations } = warm[index]!
      samples[index]!.push((await stopwatch.time(iterations)) / iterations)
    }
  }
  return warm.map(({ clock, iterations, warmUps }, index) => ({
    clock,
    iterations,
    warmUps,
    samples: samples[index]!,
    ...summarize(samples[index]!),
  }))
}
