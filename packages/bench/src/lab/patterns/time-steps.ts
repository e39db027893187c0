// How long a training step takes with each pattern: in turns, in one thread, so that whatever else the machine does
// slows all of them alike; in processor time where that can be read, which others take no part of. Times of models that
// were trained beside one another say little.
import type { Clock } from '../../measure/measure.ts'
import { measureInTurns } from '../../measure/measure-in-turns.ts'
import type { PatternSettings } from '../../train/masks.ts'
import type { LabText } from '../data/text.ts'
import { JobInterrupted } from '../jobs/job.ts'
import { createTrainer } from '../trainer.ts'
import type { PatternPlan } from './compare-patterns.ts'

/** What step times are read from. */
export interface StepClock {
  readonly clock: Clock
  /** Milliseconds since any moment. */
  readonly now: () => number
}

/** What every thread and page has. */
export const wallClock: StepClock = { clock: 'wall-clock', now: () => performance.now() }

/** A step of one pattern. */
export interface StepTime {
  readonly pattern: PatternSettings
  readonly clock: Clock
  /** Milliseconds, the median of the rounds. */
  readonly median: number
  /** Milliseconds of the fastest round, which other programs have slowed least. */
  readonly minimum: number
}

/**
 * Times a step of each pattern of a plan.
 *
 * @throws JobInterrupted when the signal says so.
 */
export async function timeSteps(
  text: LabText,
  { configuration, patterns, seeds }: PatternPlan,
  { clock, now }: StepClock,
  signal?: AbortSignal,
): Promise<StepTime[]> {
  const stopwatches = []
  for (const pattern of patterns) {
    const trainer = await createTrainer({
      configuration: { ...configuration, pattern, seed: seeds[0]! },
      tokens: text.training,
      vocabulary: text.characters.length,
      ...(text.piece === undefined ? {} : { stride: text.piece }),
    })
    stopwatches.push({
      clock,
      async time(iterations: number): Promise<number> {
        // A page stays alive, and an interruption is heard.
        await new Promise((resolve) => setTimeout(resolve))
        if (signal?.aborted) throw new JobInterrupted()
        const began = now()
        for (let step = 0; step < iterations; step++) trainer.next()
        return now() - began
      },
    })
  }
  const measured = await measureInTurns(stopwatches, {
    samples: 12,
    sampleMilliseconds: 30,
    budgetMilliseconds: 5000,
    warmUps: 3,
  })
  return measured.map(({ median, minimum }, index) => {
    return { pattern: patterns[index]!, clock, median, minimum }
  })
}
