// How good the judge of random problems is (tools/random/judge.ts): programs that are wrong on purpose, each in
// one way, and how many of the problems that can show it find it. A program that is right passes them all.
import { describe, expect, test } from 'vitest'
import { resolveOptions } from '../../packages/core/src/index.ts'
import type { AttentionOptions, ResolvedAttention } from '../../packages/core/src/index.ts'
import { plainBackward } from '../../packages/core/test/conformance/plain-backward.ts'
import type { SavedRows } from '../../packages/core/test/conformance/plain-backward.ts'
import { plainAttention } from '../../packages/core/test/conformance/plain.ts'
import { expectationOf, problemOptions } from '../random/expectation.ts'
import type { Expectation } from '../random/expectation.ts'
import { drawProblem } from '../random/generate.ts'
import { findings } from '../random/judge.ts'
import type { CallProblem } from '../random/problem.ts'
import { problemTensors } from '../random/tensors.ts'
import type { ProblemTensors } from '../random/tensors.ts'

interface Drawn {
  readonly problem: CallProblem
  readonly options: AttentionOptions
  readonly resolved: ResolvedAttention
  readonly tensors: ProblemTensors
  readonly expected: Expectation
}

/** Problems without what plain programs have not: turned queries, NaN and infinities that are seen. */
const problems: readonly Drawn[] = Array.from({ length: 260 }, (_, index) =>
  drawProblem(11, index, 1),
).flatMap((problem) => {
  if (problem.kind !== 'call' || problem.rope || problem.visible || problem.sequences) return []
  const { heads, queryLength, keyLength } = problem.shape
  // Rows of one key have the probability 1, whatever their scores.
  if (keyLength < 3 || heads * queryLength * keyLength > 3_000) return []
  const options = problemOptions(problem)
  const tensors = problemTensors(problem, options)
  const expected = expectationOf(problem, tensors, options)
  const resolved = resolveOptions('test', problem.shape, options)
  return [{ problem, options, resolved, tensors, expected }]
})

/** What a plain program with these options, and these rows in its backward pass, is found to do wrong. */
function wrong(
  { problem: { dtype, shape, training }, tensors, expected, options: own }: Drawn,
  changed: AttentionOptions = {},
  saved: SavedRows = {},
): string[] {
  const options = { ...own, ...changed }
  const { dOutput, ...inputs } = tensors
  const { output } = plainAttention(dtype, shape, inputs, options)
  // As kernels do, which sum scores in float32 whatever they store.
  const { logSumExp } = plainAttention('float32', { ...shape, valueDim: 0 }, inputs, options)
  const { dQuery, dKey, dValue } = training
    ? plainBackward(dtype, shape, inputs, dOutput, options, saved)
    : {}
  return Object.entries({ output, logSumExp, dQuery, dKey, dValue }).flatMap(([name, numbers]) =>
    numbers ? findings(name, numbers, expected.results[name]!, dtype) : [],
  )
}

const every = (): boolean => true
const trains = ({ problem }: Drawn): boolean => problem.training
const ofFloat32 = ({ problem }: Drawn): boolean => problem.dtype === 'float32'

interface WrongProgram {
  readonly name: string
  /** Whether a problem can show it. */
  readonly shows: (drawn: Drawn) => boolean
  readonly change?: (drawn: Drawn) => AttentionOptions
  readonly saved?: (drawn: Drawn) => SavedRows
  /** The share of those that do. */
  readonly found: number
}

const scaledBy = (factor: number) => (drawn: Drawn) => ({ scale: drawn.resolved.scale * factor })

const wrongPrograms: readonly WrongProgram[] = [
  { name: 'bit 8 of the scale', shows: every, change: scaledBy(1 + 2 ** -8), found: 0.8 },
  { name: 'bit 12 of the scale', shows: every, change: scaledBy(1 + 2 ** -12), found: 0.7 },
  {
    name: 'bit 14 of the scale, float32',
    shows: ofFloat32,
    change: scaledBy(1 + 2 ** -14),
    found: 0.7,
  },
  {
    name: 'the last key left out',
    shows: ({ options: { mask } }) => mask === undefined,
    change: ({ resolved: { keyLengths } }) => ({
      keyLengths: Array.from(keyLengths, (length) => Math.max(0, length - 1)),
    }),
    found: 0.5,
  },
  {
    name: 'a sink that counts twice',
    shows: ({ options }) => options.sinks !== undefined,
    change: ({ resolved: { sinks } }) => ({
      sinks: Array.from(sinks!, (sink) => sink + Math.log(2)),
    }),
    found: 0.8,
  },
  {
    name: 'dropout of another seed',
    shows: ({ options }) => options.dropout !== undefined,
    change: ({ options: { dropout } }) => ({ dropout: { ...dropout!, seed: 12345 } }),
    found: 0.6,
  },
  {
    name: 'gradients without their deltas',
    shows: trains,
    saved: ({ expected }) => ({
      deltas: new Float64Array(expected.results['logSumExp']!.exact.length),
    }),
    found: 0.8,
  },
  {
    name: 'gradients of a log-sum-exp that is off by 2^-9',
    shows: trains,
    saved: ({ expected }) => ({
      logSumExp: Float64Array.from(expected.results['logSumExp']!.exact, (sum) => sum + 2 ** -9),
    }),
    found: 0.5,
  },
]

describe('of programs, the judge of random problems', () => {
  test('finds nothing wrong with a right one', () => {
    expect(problems.length).toBeGreaterThan(60)
    expect(problems.flatMap((drawn) => wrong(drawn))).toEqual([])
  })

  test.each(wrongPrograms)('finds $name', ({ shows, change, saved, found }) => {
    const able = problems.filter((drawn) => shows(drawn))
    const hits = able.filter((drawn) => wrong(drawn, change?.(drawn), saved?.(drawn)).length > 0)
    expect(able.length).toBeGreaterThan(10)
    expect(hits.length / able.length).toBeGreaterThanOrEqual(found)
  })
})
