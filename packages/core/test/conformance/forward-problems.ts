// What is wrong with a backend's forward pass, as sentences: for the tests, and for programs that
// check a device where there is no test runner.
import { cast, standardAttention, toFloat64Array } from '../../src/index.ts'
import type { AttentionOptions, AttentionResult, Tensor } from '../../src/index.ts'
import type { ConformanceCase } from './cases.ts'
import { largestError, magnitude } from './compare.ts'
import { goldenInputs } from './golden.ts'
import type { GoldenCase } from './golden.ts'
import { plainAttention } from './plain.ts'
import type { PlainResult } from './plain.ts'

/** A backend's attention: CPU tensors in, CPU tensors out. */
export type Attend = (
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions,
) => Promise<AttentionResult>

/** What float32 sums of a few hundred terms near 1 stay within. */
const float32Floor = 1e-5

/** A sentence where an error exceeds what is allowed, or is no number. */
export function tooLarge(what: string, error: number, allowed: number): string[] {
  // An infinite yardstick would let everything pass.
  return error <= allowed && allowed < Infinity
    ? []
    : [`${what}: error ${error}, allowed ${allowed}`]
}

/** A sentence where two things that should be the same are not. */
export function differs(what: string, actual: unknown, expected: unknown): string[] {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)]
  return one === other ? [] : [`${what}: ${one}, expected ${other}`]
}

/** Golden cases: within 1e-5 of PyTorch in float64. */
export async function goldenForwardProblems(golden: GoldenCase, attend: Attend): Promise<string[]> {
  const { query, key, value } = goldenInputs(golden, 'float32')
  const result = await attend(query, key, value, golden.options)
  const parts = (['output', 'logSumExp'] as const).flatMap((part) =>
    tooLarge(part, largestError(toFloat64Array(result[part]), golden[part]), float32Floor),
  )
  return [...parts, ...emptyRowProblems(result)]
}

/**
 * At most twice the error of a plain implementation of the same precision, both against float64 (for
 * float32 not less than 1e-5 of the largest value). Rows that see no key: exactly 0 and -Infinity.
 *
 * @param narrow - Terms that the plain implementation adds in that precision; see `plainAttention`.
 */
export async function forwardProblems(
  each: ConformanceCase,
  attend: Attend,
  narrow = 1,
): Promise<string[]> {
  const { dtype, options } = each
  const { query, key, value } = each.inputs()
  const result = await attend(query, key, value, options)
  const { expected, plain } = expectedForward(each, narrow)
  const errors = (['output', 'logSumExp'] as const).flatMap((part) => {
    const exact = toFloat64Array(expected[part])
    const yardstick = 2 * largestError(plain[part], exact)
    const floor = dtype === 'float32' ? float32Floor * magnitude(exact) : 0
    const error = largestError(toFloat64Array(result[part]), exact)
    return tooLarge(part, error, Math.max(yardstick, floor))
  })
  return [
    ...differs('dtype of the output', result.output.dtype, dtype),
    ...differs('shape of the output', result.output.shape, expected.output.shape),
    ...differs('shape of logSumExp', result.logSumExp.shape, expected.logSumExp.shape),
    ...errors,
    ...emptyRowProblems(result),
  ]
}

/** What a case is compared with. */
export interface ExpectedForward {
  readonly expected: AttentionResult
  readonly plain: PlainResult
}

/** What was worked out already: several backends run the same cases. */
const known = new WeakMap<ConformanceCase, Map<number, ExpectedForward>>()

/** The specification's results, and the yardstick's, worked out once. */
export function expectedForward(each: ConformanceCase, narrow = 1): ExpectedForward {
  const own = known.get(each) ?? new Map<number, ExpectedForward>()
  known.set(each, own)
  const before = own.get(narrow)
  if (before) return before
  const { shape, dtype, options } = each
  const inputs = each.inputs()
  const [query, key, value] = [inputs.query, inputs.key, inputs.value].map((input) =>
    cast(input, 'float64'),
  ) as [Tensor, Tensor, Tensor]
  const { output, logSumExp } = standardAttention(query, key, value, options)
  const made = {
    expected: { output, logSumExp },
    plain: plainAttention(dtype, shape, inputs, options, narrow),
  }
  own.set(narrow, made)
  return made
}

/** Where logSumExp is -Infinity, the output must be 0 to the bit (the sign aside). */
function emptyRowProblems({ output, logSumExp }: AttentionResult): string[] {
  const valueDim = output.shape[3]!
  const values = toFloat64Array(output)
  const wrong = [...toFloat64Array(logSumExp).entries()].filter(([row, sum]) => {
    const rowValues = values.subarray(row * valueDim, (row + 1) * valueDim)
    return sum === -Infinity && !rowValues.every((value) => value === 0)
  })
  return wrong.length === 0 ? [] : [`${wrong.length} rows that see no key are not 0`]
}
