// What is wrong with a backend's backward pass, as sentences.
import { cast, toFloat64Array } from '../../src/index.ts'
import type { AttentionOptions, Table, Tensor } from '../../src/index.ts'
import type { ConformanceCase } from './cases.ts'
import { largestError, magnitude } from './compare.ts'
import { differs, tooLarge } from './forward-problems.ts'
import { goldenInputs } from './golden.ts'
import type { GoldenCase } from './golden.ts'
import { plainBackward } from './plain-backward.ts'
import type { PlainGradients } from './plain-backward.ts'
import { standardGradients } from './standard-gradients.ts'

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
const gradients = ['dQuery', 'dKey', 'dValue'] as const

/** Golden cases: within 2e-5 of the largest entry of PyTorch's gradient in float64. */
export async function goldenBackwardProblems(
  golden: GoldenCase,
  attendBackward: AttendBackward,
): Promise<string[]> {
  const { query, key, value } = goldenInputs(golden, 'float32')
  const dOutput = cast(golden.dOutput, 'float32')
  const result = await attendBackward(query, key, value, dOutput, golden.options)
  return gradients.flatMap((name) => {
    const largest = golden[name].reduce((most, entry) => Math.max(most, Math.abs(entry)), 0)
    const error = largestError(toFloat64Array(result[name]), golden[name])
    return tooLarge(name, error, float32Floor * largest)
  })
}

/**
 * At most twice the error of a plain implementation of the same precision (for float32 not less than
 * 2e-5 of the largest entry).
 */
export async function backwardProblems(
  each: ConformanceCase,
  attendBackward: AttendBackward,
): Promise<string[]> {
  const { dtype, options } = each
  const { query, key, value } = each.inputs()
  const result = await attendBackward(query, key, value, each.dOutput(), options)
  const { expected, plain } = expectedGradients(each)

  const compare = (
    what: string,
    actual: ArrayLike<number>,
    exact: ArrayLike<number>,
    yardstick: ArrayLike<number>,
  ): string[] => {
    const floor = dtype === 'float32' ? float32Floor * magnitude(exact) : 0
    const allowed = Math.max(2 * largestError(yardstick, exact), floor)
    return tooLarge(what, largestError(actual, exact), allowed)
  }
  const ofInputs = gradients.flatMap((name) => [
    ...differs(`dtype of ${name}`, result[name].dtype, dtype),
    ...differs(`shape of ${name}`, result[name].shape, expected[name].shape),
    ...compare(name, toFloat64Array(result[name]), toFloat64Array(expected[name]), plain[name]),
  ])
  const names = (tables: ReadonlyMap<Table, unknown>): string[] =>
    [...tables.keys()].map(({ name }) => name)
  const ofTables = [...expected.dTables].flatMap(([table, exact]) =>
    compare(table.name, result.dTables.get(table) ?? [], exact, plain.dTables.get(table)!),
  )
  return [
    ...ofInputs,
    ...differs('tables with gradients', names(result.dTables), names(expected.dTables)),
    ...ofTables,
    ...(expected.dSinks
      ? compare('dSinks', result.dSinks ?? [], expected.dSinks, plain.dSinks)
      : []),
  ]
}

/** What a case is compared with. */
export interface ExpectedGradients {
  readonly expected: ReturnType<typeof standardGradients>
  readonly plain: PlainGradients
}

/** What was worked out already: several backends run the same cases. */
const known = new WeakMap<ConformanceCase, ExpectedGradients>()

/** The specification's gradients, and the yardstick's, worked out once. */
export function expectedGradients(each: ConformanceCase): ExpectedGradients {
  const before = known.get(each)
  if (before) return before
  const { shape, dtype, options } = each
  const inputs = each.inputs()
  const dOutput = each.dOutput()
  const made = {
    expected: standardGradients(
      cast(inputs.query, 'float64'),
      cast(inputs.key, 'float64'),
      cast(inputs.value, 'float64'),
      cast(dOutput, 'float64'),
      options,
    ),
    plain: plainBackward(dtype, shape, inputs, dOutput, options),
  }
  known.set(each, made)
  return made
}
