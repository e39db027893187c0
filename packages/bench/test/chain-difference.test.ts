// One call's time from two chains: what surrounds the calls has to cancel, outliers too.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { chainDifference } from '../src/measure/chain-difference.ts'

const milliseconds = fc.double({ min: 0.001, max: 1000, noNaN: true })

test('the overhead of a run cancels, whatever it is', () => {
  fc.assert(
    fc.property(milliseconds, milliseconds, (call, overhead) => {
      const pair = { short: overhead + call, long: overhead + 9 * call }
      const measured = chainDifference([[pair], [pair], [pair]])
      // Rounding of the sums, where the overhead dwarfs the call.
      expect(Math.abs(measured!.median - call)).toBeLessThan(1e-9 + 1e-12 * overhead)
      expect(measured!.samples).toHaveLength(3)
    }),
  )
})

test('one disturbed chain of a round, and one disturbed round, change nothing', () => {
  const calm = { short: 2, long: 18 }
  const disturbed = { short: 2, long: 500 }
  expect(chainDifference([[calm, disturbed, calm]])).toMatchObject({ median: 2, pairs: 3 })
  expect(chainDifference([[calm], [disturbed], [calm]])).toMatchObject({ median: 2, pairs: 1 })
})

test('a call too short for the clock has no time', () => {
  expect(chainDifference([[{ short: 1, long: 1 }]])).toBeUndefined()
  expect(chainDifference([[{ short: 1.2, long: 1 }]])).toBeUndefined()
})

test('nothing measured is a mistake of the caller', () => {
  expect(() => chainDifference([])).toThrow('needs at least one sample')
  expect(() => chainDifference([[]])).toThrow('needs at least one sample')
})
