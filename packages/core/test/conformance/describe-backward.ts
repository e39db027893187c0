// The suites of the backward pass, of dropout and of sinks: each to be registered by the backends
// that can do it.
import { describe, expect, test } from 'vitest'
import { backwardCases, dropoutCases, sinkCases } from './backward-cases.ts'
import { backwardProblems, goldenBackwardProblems } from './backward-problems.ts'
import type { AttendBackward } from './backward-problems.ts'
import { chosenCases } from './breadth.ts'
import type { ConformanceCase } from './cases.ts'
import { checkForward } from './describe-forward.ts'
import type { Attend } from './forward-problems.ts'
import { goldenCases } from './golden.ts'

/** Registers the backward conformance tests of one backend; see `backward-problems.ts` for the rules. */
export function describeBackward(backendName: string, attendBackward: AttendBackward): void {
  describe(`${backendName}: golden gradients`, () => {
    test.each(chosenCases(goldenCases()))('$name', async (golden) => {
      expect(await goldenBackwardProblems(golden, attendBackward)).toEqual([])
    })
  })

  describe(`${backendName}: backward`, () => {
    test.each(chosenCases(backwardCases()))('$name', async (each) => {
      expect.hasAssertions()
      await checkBackward(each, attendBackward)
    })
  })
}

/** Registers the dropout tests of one backend; the backward pass where it has one. */
export function describeDropout(
  backendName: string,
  attend: Attend,
  attendBackward?: AttendBackward,
): void {
  describeBoth(backendName, 'dropout', dropoutCases(), attend, attendBackward)
}

/** Registers the attention sink tests of one backend; the backward pass where it has one. */
export function describeSinks(
  backendName: string,
  attend: Attend,
  attendBackward?: AttendBackward,
): void {
  describeBoth(backendName, 'sinks', sinkCases(), attend, attendBackward)
}

function describeBoth(
  backendName: string,
  feature: string,
  cases: readonly ConformanceCase[],
  attend: Attend,
  attendBackward: AttendBackward | undefined,
): void {
  describe(`${backendName}: ${feature}`, () => {
    test.each(chosenCases(cases))('forward: $name', async (each) => {
      expect.hasAssertions()
      await checkForward(each, attend)
    })
    if (!attendBackward) return
    test.each(chosenCases(cases))('backward: $name', async (each) => {
      expect.hasAssertions()
      await checkBackward(each, attendBackward)
    })
  })
}

/** Makes one call and compares; rejects where the backend is not good enough. */
export async function checkBackward(
  each: ConformanceCase,
  attendBackward: AttendBackward,
): Promise<void> {
  expect(await backwardProblems(each, attendBackward)).toEqual([])
}
