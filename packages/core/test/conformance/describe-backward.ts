// The suites of the backward pass, of dropout and of sinks: each to be registered by the backends
// that can do it.
import { describe, expect, test } from 'vitest'
import { cast, standardAttentionBackward, toFloat64Array } from '../../src/index.ts'
import type { AttentionOptions, Table, Tensor } from '../../src/index.ts'
import { backwardCases, dropoutCases, sinkCases } from './backward-cases.ts'
import type { ConformanceCase } from './cases.ts'
import { largestError, magnitude } from './compare.ts'
import { checkForward } from './describe-forward.ts'
import type { Attend } from './describe-forward.ts'
import { fill } from './fill.ts'
import { goldenCases, goldenInputs } from './golden.ts'
import { plainBackward } from './plain-backward.ts'

/** What a backend's backward pass returns. */
export interface BackwardResult {
  readonly dQuery: Tensor
  readonly dKey: Tensor
  readonly dValue: Tensor
  readonly dTables: ReadonlyMap<Table, ArrayLike<number>>
  readonly dSinks?: ArrayLike<number> | undefined
}

/** A backend's gradients (it runs its own forward pass): CPU tensors in, CPU tensors out. */
export type AttendBackward = (
  query: Tensor,
  key: Tensor,
  value: Tensor,
  dOutput: Tensor,
  options: AttentionOptions,
) => Promise<BackwardResult>

/** Of the largest entry of a gradient in float32. */
const float32Floor = 2e-5

/**
 * Registers the backward conformance tests of one backend.
 *
 * Golden cases: within 2e-5 of the largest entry. Others: at most twice the error of a plain
 * implementation of the same precision (for float32 not less than 2e-5 of the largest entry).
 */
export function describeBackward(backendName: string, attendBackward: AttendBackward): void {
  describe(`${backendName}: golden gradients`, () => {
    test.each(goldenCases())('$name', async (golden) => {
      const { query, key, value } = goldenInputs(golden, 'float32')
      const dOutput = cast(golden.dOutput, 'float32')
      const result = await attendBackward(query, key, value, dOutput, golden.options)
      for (const name of ['dQuery', 'dKey', 'dValue'] as const) {
        const largest = golden[name].reduce((most, entry) => Math.max(most, Math.abs(entry)), 0)
        const error = largestError(toFloat64Array(result[name]), golden[name])
        expect(error / largest).toBeLessThan(float32Floor)
      }
    })
  })

  describe(`${backendName}: backward`, () => {
    test.each(backwardCases())('$name', async (each) => {
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
    test.each(cases)('forward: $name', async (each) => {
      expect.hasAssertions()
      await checkForward(each, attend)
    })
    if (!attendBackward) return
    test.each(cases)('backward: $name', async (each) => {
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
  const { shape, dtype, options } = each
  const { batch, heads, queryLength, valueDim } = shape
  const { query, key, value } = each.inputs()
  const dOutput = fill(4, [batch, heads, queryLength, valueDim], 1, dtype)
  const result = await attendBackward(query, key, value, dOutput, options)
  const [q, k, v, dO] = [query, key, value, dOutput].map((input) => cast(input, 'float64')) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ]
  const expected = standardAttentionBackward(q, k, v, dO, options)
  const plain = plainBackward(dtype, shape, each.inputs(), dOutput, options)

  const compare = (
    actual: ArrayLike<number>,
    exact: ArrayLike<number>,
    yardstick: ArrayLike<number>,
  ): void => {
    const floor = dtype === 'float32' ? float32Floor * magnitude(exact) : 0
    const allowed = Math.max(2 * largestError(yardstick, exact), floor)
    expect(largestError(actual, exact)).toBeLessThanOrEqual(allowed)
  }
  for (const name of ['dQuery', 'dKey', 'dValue'] as const) {
    expect(result[name].dtype).toBe(dtype)
    expect(result[name].shape).toEqual(expected[name].shape)
    compare(toFloat64Array(result[name]), toFloat64Array(expected[name]), plain[name])
  }
  expect([...result.dTables.keys()]).toEqual([...expected.dTables.keys()])
  for (const [table, exact] of expected.dTables) {
    compare(result.dTables.get(table)!, exact, plain.dTables.get(table)!)
  }
  if (expected.dSinks) compare(result.dSinks ?? [], expected.dSinks, plain.dSinks)
}
