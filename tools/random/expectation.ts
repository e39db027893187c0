// What a problem has to give: float64 on the CPU, and the error of a plain implementation of the same
// precision, which is the yardstick.
import {
  attentionWeights,
  resolveOptions,
  standardAttention,
  standardAttentionBackward,
} from '../../packages/core/src/index.ts'
import type {
  AttentionOptions,
  ResolvedAttention,
  RotaryEmbedding,
  Table,
  Tensor,
} from '../../packages/core/src/index.ts'
import { plainBackward } from '../../packages/core/test/conformance/plain-backward.ts'
import type {
  PlainGradients,
  SavedRows,
} from '../../packages/core/test/conformance/plain-backward.ts'
import { plainAttention } from '../../packages/core/test/conformance/plain.ts'
import {
  rotateByDefinition,
  roundings,
} from '../../packages/webgpu-flash/test-gpu/rotary-definition.ts'
import { maskOfCache } from './caches.ts'
import { buildMask } from './masks.ts'
import { buildModifier, parameterValues, usesParameters } from './modifiers.ts'
import type { CallProblem, RopeData } from './problem.ts'
import {
  dimOrders,
  fewestRows,
  fewOfKeys,
  fewRows,
  furthest,
  holdsNoCount,
  moveNoScores,
  plainlyStored,
  reordered,
  scoreErrors,
  takingTurns,
  trulySummed,
} from './rounding-luck.ts'
import { sumErrors } from './sum-errors.ts'
import { exactly, numbersOf } from './tensors.ts'
import type { ProblemTensors } from './tensors.ts'

/** The options of a problem's call. */
export function problemOptions(problem: CallProblem): AttentionOptions {
  const { shape, seed, mask, modifiers, dropout, sinks, scale } = problem
  const { keyLengths, queryOffset, sequences } = problem
  // Of packed sequences each has a number of the batch.
  const batch = sequences ? sequences.cumulativeQueryLengths.length - 1 : shape.batch
  const seen = maskOfCache(mask && buildMask(mask, { ...shape, batch }, seed), problem.cache)
  return {
    ...(scale !== undefined && { scale }),
    ...(seen && { mask: seen }),
    ...(modifiers.length > 0 && {
      scoreModifiers: modifiers.map((each, index) => buildModifier(each, shape, seed + index)),
    }),
    ...(modifiers.some(usesParameters) && { parameters: parameterValues }),
    ...(keyLengths && { keyLengths }),
    ...(queryOffset !== undefined && { queryOffset }),
    ...(sequences && { sequences }),
    ...(dropout && { dropout }),
    ...(sinks && { sinks }),
  }
}

/** The embedding of a problem. */
export function embedding({ layout, rotaryDim, attentionFactor }: RopeData): RotaryEmbedding {
  const inverseFrequencies = Array.from(
    { length: rotaryDim / 2 },
    (_, pair) => 10000 ** ((-2 * pair) / rotaryDim),
  )
  return { layout, rotaryDim, attentionFactor, inverseFrequencies }
}

/** A list of numbers that has to come out, with what a plain program makes of it. */
export interface Expected {
  readonly exact: ArrayLike<number>
  readonly plain: ArrayLike<number>
  /** Of the largest entry, in float32: what sums of a few hundred terms stay within. */
  readonly floor: number
  /**
   * What a plain program makes of it that leaves out pairs whose weight is 0 in float32, where inputs are not finite:
   * others multiply it by infinity.
   */
  readonly leftOut?: ArrayLike<number> | undefined
  /** Whether it is stored in the dtype of the call; float32 otherwise. */
  readonly stored: boolean
}

/** All that has to come out, by name. */
export interface Expectation {
  readonly results: Readonly<Record<string, Expected>>
  readonly tables: ReadonlyMap<Table, Expected>
}

type Side = 'query' | 'key'
type Positions = (sequence: number, row: number) => number

function positionsOf(side: Side, { queryOffsets, sequences }: ResolvedAttention): Positions {
  if (sequences) {
    const { queryPositions, keyPositions } = sequences
    const positions = side === 'query' ? queryPositions : keyPositions
    return (_, row) => positions[row]!
  }
  return side === 'query' ? (b, row) => queryOffsets[b]! + row : (_, row) => row
}

const turns = (rope: RopeData | undefined, side: Side): rope is RopeData =>
  rope !== undefined && (rope.sides === 'both' || rope.sides === side)

/**
 * Computes it all.
 *
 * @param parts - Parts of the keys that merge in the output as it is stored. Default: 1.
 */
export function expectationOf(
  problem: CallProblem,
  tensors: ProblemTensors,
  options: AttentionOptions,
  parts = 1,
): Expectation {
  const { shape, dtype, rope, training } = problem
  const resolved = resolveOptions('random', shape, options)
  const turned = (side: Side, view: Tensor, plainly: boolean): Tensor => {
    if (!turns(rope, side)) return plainly ? view : exactly(view)
    const rounding = plainly ? { compute: roundings.float32, store: roundings[dtype] } : {}
    return rotateByDefinition(view, embedding(rope), positionsOf(side, resolved), 1, rounding)
  }
  const { value, dOutput } = tensors
  const inputs = (plainly: boolean) => ({
    query: turned('query', tensors.query, plainly),
    key: turned('key', tensors.key, plainly),
    value: plainly ? value : exactly(value),
  })
  const [exact, plain] = [inputs(false), inputs(true)]
  const forward = standardAttention(exact.query, exact.key, exact.value, options)
  const plainForward = plainAttention(dtype, shape, plain, options, 1, parts)
  // Scores are summed in float32 whatever the tensors hold, and log-sum-exp is never stored in less.
  const { logSumExp: summed } =
    dtype === 'float32'
      ? plainForward
      : plainAttention('float32', { ...shape, valueDim: 0 }, plain, options)
  const output: Expected = {
    exact: numbersOf(forward.output),
    plain: plainForward.output,
    floor: 1e-5,
    stored: true,
  }
  const exactSums = numbersOf(forward.logSumExp)
  const ofFewRows = fewestRows(shape, problem.sequences, exactSums) <= fewRows
  const few = ofFewRows || fewOfKeys(shape)
  const otherScores = few ? scoreErrors(dtype) : []
  const outputs = (ofFewRows ? otherScores : []).map(
    (error) => plainAttention(dtype, shape, plain, options, 1, parts, error).output,
  )
  const results: Record<string, Expected> = {
    output: {
      ...output,
      plain: furthest(Float64Array.from(output.exact), [plainForward.output, ...outputs]),
    },
    logSumExp: {
      exact: exactSums,
      plain: summed,
      floor: 1e-5,
      stored: false,
    },
  }
  if (problem.weights) {
    const choice = { ...options, ...problem.weights }
    const weigh = ({ query, key }: typeof exact): Float64Array =>
      numbersOf(attentionWeights(query, key, choice))
    // A weight is as exact as its score, and float32 rounds off this much of one in a few operations.
    const floor = 1e-5 + 2 ** -21 * largestScore(forward.scores)
    results['weights'] = { exact: weigh(exact), plain: weigh(plain), floor, stored: false }
  }
  if (!training) return { results, tables: new Map() }

  const gradients = standardAttentionBackward(
    exact.query,
    exact.key,
    exact.value,
    forward,
    exactly(dOutput),
    options,
  )
  const { logSumExp } = results as Record<'logSumExp', Expected>
  const plainGradients = plainBackward(dtype, shape, plain, dOutput, options)
  const sums = gradients.dSinks !== undefined || gradients.dTables.size > 0
  const lucky = few || moveNoScores(numbersOf(gradients.dQuery))
  const stored = lucky || sums ? plainlyStored(output, dOutput, shape.valueDim, dtype) : undefined
  const saved: readonly SavedRows[] = [
    ...(dtype === 'float32' ? [{ logSumExp: trulySummed(logSumExp) }] : []),
    ...(lucky && stored ? takingTurns(stored).map((deltas) => ({ deltas })) : []),
  ]
  const rowErrors =
    stored && sums ? sumErrors(shape, exact, options, logSumExp.exact, stored.errors) : undefined
  // What float16 has no range for is hidden by its plain program, but not by those that keep scores in float32.
  const ranged = dtype !== 'float32' && holdsNoCount(logSumExp)
  const draws = [
    ...saved.map((each) => plainBackward(dtype, shape, plain, dOutput, options, each)),
    ...(ranged ? [plainBackward('float32', shape, plain, dOutput, options)] : []),
  ]
  const ofScores = otherScores.map((scoreError) =>
    plainBackward(dtype, shape, plain, dOutput, options, { scoreError }),
  )
  // Nor is the order of one program's sums that of another: over few rows either may be lucky.
  const ofOrders = (few && dtype === 'float32' ? dimOrders(shape.headDim) : []).map((order) => {
    const other = (view: Tensor): Tensor => {
      const whole = exactly(view)
      return { ...whole, storage: reordered(numbersOf(whole), order), offset: 0 }
    }
    const { query, key, value: values } = plain
    const turned = { query: other(query), key: other(key), value: values }
    const made = plainBackward(dtype, shape, turned, dOutput, options)
    const back = order.map((_, dim) => order.indexOf(dim))
    return { ...made, dQuery: reordered(made.dQuery, back), dKey: reordered(made.dKey, back) }
  })
  const leaving = problem.visible
    ? plainBackward(dtype, shape, plain, dOutput, options, { leavesOut: true })
    : undefined
  const floor = 2e-5
  // A program that turns gradients back stores them once more.
  const turnedBack = (side: Side, numbers: Tensor, plainly: boolean): Float64Array => {
    if (!turns(rope, side)) return numbersOf(numbers)
    const rounding = plainly ? { compute: roundings.float32, store: roundings[dtype] } : {}
    return numbersOf(
      rotateByDefinition(numbers, embedding(rope), positionsOf(side, resolved), -1, rounding),
    )
  }
  const backward = (name: 'dQuery' | 'dKey' | 'dValue', side?: Side): Expected => {
    const like = gradients[name]
    const yardstick = (gradient: Float64Array): Float64Array =>
      side ? turnedBack(side, { ...like, storage: gradient, offset: 0 }, true) : gradient
    const wanted = side ? turnedBack(side, like, false) : numbersOf(like)
    const plains = [plainGradients, ...draws, ...ofScores, ...ofOrders].map((each) =>
      yardstick(each[name]),
    )
    const leftOut = leaving && yardstick(leaving[name])
    return { exact: wanted, plain: furthest(wanted, plains), leftOut, floor, stored: true }
  }
  results['dQuery'] = backward('dQuery', 'query')
  results['dKey'] = backward('dKey', 'key')
  results['dValue'] = backward('dValue')
  /** Sums over rows: of these the errors of rows add up by their squares. */
  const list = (
    exactly: ArrayLike<number>,
    of: (made: PlainGradients) => ArrayLike<number>,
    errors: ArrayLike<number> | undefined,
  ): Expected => {
    const numbers = Float64Array.from(exactly)
    const plains = [plainGradients, ...draws].map((each) => Float64Array.from(of(each)))
    if (errors) plains.push(numbers.map((number, place) => number + errors[place]!))
    return { exact: numbers, plain: furthest(numbers, plains), floor, stored: false }
  }
  if (gradients.dSinks) {
    results['dSinks'] = list(gradients.dSinks, ({ dSinks }) => dSinks, rowErrors?.dSinks)
  }
  const tables = [...gradients.dTables].map(([table, numbers]): [Table, Expected] => [
    table,
    list(numbers, ({ dTables }) => dTables.get(table)!, rowErrors?.dTables.get(table)),
  ])
  return { results, tables: new Map(tables) }
}

/** The largest among scores that are no infinity. */
function largestScore(scores: Tensor): number {
  const finite = numbersOf(scores).filter(Number.isFinite)
  return finite.reduce((most, score) => Math.max(most, Math.abs(score)), 0)
}
