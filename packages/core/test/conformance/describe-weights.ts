// The suite of attention weights: register it once for every backend.
import { describe, expect, test } from 'vitest'
import { chosenCases } from './breadth.ts'
import { weightsCases } from './weights-cases.ts'
import { weightsProblems } from './weights-problems.ts'
import type { Weigh } from './weights-problems.ts'

/** Registers the conformance tests of one backend's attention weights. */
export function describeWeights(backendName: string, weigh: Weigh): void {
  describe(`${backendName}: attention weights`, () => {
    test.each(chosenCases(weightsCases()))('$name', async (each) => {
      expect(await weightsProblems(each, weigh)).toEqual([])
    })
  })
}
