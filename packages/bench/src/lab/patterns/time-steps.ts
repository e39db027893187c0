// How long a training step takes with each pattern: in turns, in one thread, so that whatever else the machine does
// slows all of them alike. Times of models that were trained beside one another say little.
import { measureInTurns } from '../../measure/measure-in-turns.ts'
import type { PatternSettings } from '../../train/masks.ts'
import type { LabText } from '../data/text.ts'
import { JobInterrupted } from '../jobs/job.ts'
import { createTrainer } from '../trainer.ts'
import type { PatternPlan } from './compare-patterns.ts'

/** A step of one pattern. */
export interface StepTime {
  readonly pattern: PatternSettings
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
      clock: 'wall-clock' as const,
      async time(iterations: number): Promise<number> {
        // A page stays alive, and an interruption is heard.
        await new Promise((resolve) => setTimeout(resolve))
        if (signal?.aborted) throw new JobInterrupted()
        const began = performance.now()
        for (let step = 0; step < iterations; step++) trainer.next()
        return performance.now() - began
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
    return { pattern: patterns[index]!, median, minimum }
  })
}
