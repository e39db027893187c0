// The forward suite itself: register it once for every backend.
import { describe, expect, test } from 'vitest'
import { chosenCases } from './breadth.ts'
import type { ConformanceCase } from './cases.ts'
import { conformanceCases } from './forward-cases.ts'
import { forwardProblems, goldenForwardProblems } from './forward-problems.ts'
import type { Attend } from './forward-problems.ts'
import { goldenCases } from './golden.ts'

/** Registers the forward conformance tests of one backend; see `forward-problems.ts` for the rules. */
export function describeForward(backendName: string, attend: Attend): void {
  describe(`${backendName}: golden vectors`, () => {
    test.each(chosenCases(goldenCases()))('$name', async (golden) => {
      expect(await goldenForwardProblems(golden, attend)).toEqual([])
    })
  })

  describe(`${backendName}: forward`, () => {
    test.each(chosenCases(conformanceCases()))('$name', async (each) => {
      expect.hasAssertions()
      await checkForward(each, attend)
    })
  })
}

/** Makes one call and compares; rejects where the backend is not good enough. */
export async function checkForward(each: ConformanceCase, attend: Attend): Promise<void> {
  expect(await forwardProblems(each, attend)).toEqual([])
}
