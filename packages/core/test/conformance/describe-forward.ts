// The forward suite itself: register it once for every backend.
import { describe, expect, test } from 'vitest'
import { cast, standardAttention, toFloat64Array } from '../../src/index.ts'
import type { AttentionOptions, AttentionResult, Tensor } from '../../src/index.ts'
import type { ConformanceCase } from './cases.ts'
import { largestError, magnitude } from './compare.ts'
import { conformanceCases } from './forward-cases.ts'
import { goldenCases, goldenInputs } from './golden.ts'
import { plainAttention } from './plain.ts'

/** A backend's attention: CPU tensors in, CPU tensors out. */
export type Attend = (
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions,
) => Promise<AttentionResult>

/** What float32 sums of a few hundred terms near 1 stay within. */
const float32Floor = 1e-5

/**
 * Registers the forward conformance tests of one backend.
 *
 * Golden cases: within 1e-5. Others: at most twice the error of a plain implementation of the same
 * precision, both against float64 (for float32 not less than 1e-5 of the largest value). Rows that
 * see no key: exactly 0 and -Infinity.
 */
export function describeForward(backendName: string, attend: Attend): void {
  describe(`${backendName}: golden vectors`, () => {
    test.each(goldenCases())('$name', async (golden) => {
      const { query, key, value } = goldenInputs(golden, 'float32')
      const result = await attend(query, key, value, golden.options)
      expect(largestError(toFloat64Array(result.output), golden.output)).toBeLessThan(1e-5)
      expect(largestError(toFloat64Array(result.logSumExp), golden.logSumExp)).toBeLessThan(1e-5)
      expectEmptyRows(result)
    })
  })

  describe(`${backendName}: forward`, () => {
    test.each(conformanceCases())('$name', async (each) => {
      expect.hasAssertions()
      await checkForward(each, attend)
    })
  })
}

/** Makes one call and compares; rejects where the backend is not good enough. */
export async function checkForward(each: ConformanceCase, attend: Attend): Promise<void> {
  const { shape, dtype, options } = each
  const { query, key, value } = each.inputs()
  const result = await attend(query, key, value, options)
  const expected = standardAttention(
    cast(query, 'float64'),
    cast(key, 'float64'),
    cast(value, 'float64'),
    options,
  )
  const plain = plainAttention(dtype, shape, each.inputs(), options)
  expect(result.output.dtype).toBe(dtype)
  expect(result.output.shape).toEqual(expected.output.shape)
  expect(result.logSumExp.shape).toEqual(expected.logSumExp.shape)
  for (const part of ['output', 'logSumExp'] as const) {
    const exact = toFloat64Array(expected[part])
    const yardstick = 2 * largestError(plain[part], exact)
    const floor = dtype === 'float32' ? float32Floor * magnitude(exact) : 0
    expect(largestError(toFloat64Array(result[part]), exact)).toBeLessThanOrEqual(
      Math.max(yardstick, floor),
    )
  }
  expectEmptyRows(result)
}

/** Where logSumExp is -Infinity, the output must be 0 to the bit (the sign aside). */
function expectEmptyRows({ output, logSumExp }: AttentionResult): void {
  const valueDim = output.shape[3]!
  const values = toFloat64Array(output)
  toFloat64Array(logSumExp).forEach((sum, row) => {
    if (sum !== -Infinity) return
    const rowValues = values.subarray(row * valueDim, (row + 1) * valueDim)
    expect(rowValues.every((value) => value === 0)).toBe(true)
  })
}
