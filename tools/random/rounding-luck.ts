// Where one run of the plain program is lucky: over a few rows its roundings may cancel, or be the same in
// both passes, so that its error says little of what its precision costs. What it costs is worked out here.
import { toFloat64Array } from '../../packages/core/src/index.ts'
import type { AttentionShape, Tensor } from '../../packages/core/src/index.ts'
import type { Expected } from './expectation.ts'

/**
 * Rows of which one run may be lucky; the largest error over more of them is a fair measure. A gradient of a table
 * or of sinks is a sum over all rows, but few numbers: it may be lucky however many rows there are.
 */
export const fewRows = 64

/**
 * The fewest rows that have keys of their own: those of all heads, of packed sequences the shortest that has any. Rows
 * that see nothing have no error, and do not count.
 *
 * @param logSumExp - Of each row.
 */
export function fewestRows(
  { heads }: Pick<AttentionShape, 'heads'>,
  sequences: { readonly cumulativeQueryLengths: readonly number[] } | undefined,
  logSumExp: ArrayLike<number>,
): number {
  const seeing = Array.from(logSumExp).filter((sum) => sum !== -Infinity).length
  if (!sequences) return seeing
  const ends = sequences.cumulativeQueryLengths
  const lengths = ends.slice(1).map((end, sequence) => end - ends[sequence]!)
  return Math.min(seeing, heads * Math.min(...lengths.filter((length) => length > 0)))
}

/** Whether gradients of keys are few numbers: they may be lucky as those of tables are, however many rows they sum. */
export const fewOfKeys = ({
  batch,
  kvHeads,
  keyLength,
  headDim,
  valueDim,
}: AttentionShape): boolean => batch * kvHeads * keyLength * Math.min(headDim, valueDim) <= fewRows

/**
 * Whether dS is 0 in every row, as where each sees one key. A plain program sums dP and delta alike and gets just that, so that its
 * error says nothing of what another's roundings of the two cost.
 *
 * @param dQuery - As float64 has it.
 */
export const moveNoScores = (dQuery: ArrayLike<number>): boolean =>
  Array.from(dQuery).every((entry) => Math.abs(entry) < 2 ** -30)

/** Of a log-sum-exp beyond which float32 holds no log(n) beside it, and errors tell nothing. */
const mostLogSumExp = 2 ** 14

/**
 * Whether some row's log-sum-exp is one: exp(score - logSumExp) then is 1 for each of its n largest scores, in every
 * program that keeps scores in float32. float16 has no such scores, and its plain program hides them.
 */
export const holdsNoCount = ({ exact }: Expected): boolean =>
  Array.from(exact).some((sum) => Number.isFinite(sum) && Math.abs(sum) >= mostLogSumExp)

/**
 * The log-sum-exp that a plain program saved, as float64 has it. The plain program adds up scores in the same
 * order in both of its passes, so that errors of a score and of log-sum-exp cancel in exp(score - logSumExp); no
 * other program has to. From the true ones they do not.
 */
export function trulySummed({ exact, plain }: Expected): Float64Array {
  return Float64Array.from({ length: exact.length }, (_, row) =>
    Math.abs(exact[row]!) < mostLogSumExp ? exact[row]! : plain[row]!,
  )
}

/** What another program may have saved of each row. */
export interface StoredRows {
  /** `rowsum(dO * O)`, as float64 has it. */
  readonly deltas: Float64Array
  /** What these may be off by. */
  readonly errors: Float64Array
}

/**
 * Deltas, `rowsum(dO * O)`, and what they are off by since the output is stored: half a unit in
 * the last place of each entry, or what the plain output is off by, added up as errors without a common sign
 * are, by their squares. A row that has one key gets dS = 0 from the true delta, so that this error is all there is
 * of dS.
 */
export function plainlyStored(
  { exact, plain }: Expected,
  dOutput: Tensor,
  valueDim: number,
  dtype: Precision,
): StoredRows {
  const rows = exact.length / valueDim
  const gradient = toFloat64Array(dOutput)
  const [deltas, errors] = [new Float64Array(rows), new Float64Array(rows)]
  for (let row = 0; row < rows; row++) {
    let squares = 0
    for (let place = row * valueDim; place < (row + 1) * valueDim; place++) {
      const entry = exact[place]!
      const error = Math.max(halfUnit(entry, dtype), Math.abs(plain[place]! - entry))
      deltas[row]! += gradient[place]! * entry
      squares += (gradient[place]! * error) ** 2
    }
    errors[row] = Math.sqrt(squares)
  }
  return { deltas, errors }
}

/** Two lists of deltas that are off to opposite sides; rows take turns, as errors of rows have no common sign. */
export function takingTurns({ deltas, errors }: StoredRows): readonly Float64Array[] {
  return [1, -1].map((sign) =>
    deltas.map((delta, row) => delta + (row % 2 === 0 ? sign : -sign) * errors[row]!),
  )
}

/** Bits that are stored of a significand, the exponent of the least normal number, and the largest number. */
const formats = {
  float16: { bits: 10, least: -14, largest: 65504 },
  float32: { bits: 23, least: -126, largest: 2 ** 127 * (2 - 2 ** -23) },
  bfloat16: { bits: 7, least: -126, largest: 2 ** 127 * (2 - 2 ** -7) },
} as const
type Precision = keyof typeof formats

/** A unit in the last place of 1. */
export const unitOf = (dtype: Precision): number => 2 ** -formats[dtype].bits

/** Half a unit in the last place of a number. */
const halfUnit = (entry: number, dtype: Precision): number => {
  if (entry === 0) return 0
  const { bits, least } = formats[dtype]
  return 2 ** (Math.max(least, Math.floor(Math.log2(Math.abs(entry)))) - bits - 1)
}

/**
 * What scores are off by where they are rounded, half a unit in the last place at least: two functions for
 * `plainAttention` and `plainBackward`, of opposite errors, in which keys and rows take turns. Where two keys share a row
 * the error of one run may be hardly any, or the whole of it.
 */
export function scoreErrors(
  dtype: Precision,
): readonly ((score: number, place: number) => number)[] {
  return [1, -1].map((sign) => (score: number, place: number): number => {
    // Programs that keep what is larger do not round it to this precision.
    const stored = Math.abs(score) <= formats[dtype].largest
    return stored ? (place % 2 === 0 ? sign : -sign) * halfUnit(score, dtype) : 0
  })
}

/** Rows of numbers, each with its dims in another order. */
export function reordered(numbers: ArrayLike<number>, order: readonly number[]): Float64Array {
  const dims = order.length
  return Float64Array.from(numbers, (_, at) => numbers[at - (at % dims) + order[at % dims]!]!)
}

/** Orders in which another program may add up the dims of a score: backwards, and every so manieth first. */
export function dimOrders(dims: number): readonly (readonly number[])[] {
  const all = Array.from({ length: dims }, (_, dim) => dim)
  const inTurns = (step: number): number[] =>
    all.toSorted((a, b) => (a % step) - (b % step) || a - b)
  return [all.toReversed(), inTurns(2), inTurns(4), inTurns(8)]
}

/** Of lists, entry by entry what is furthest from the truth; where any is no number, the first. */
export function furthest(exact: Float64Array, lists: readonly Float64Array[]): Float64Array {
  return exact.map((wanted, place) =>
    lists
      .map((list) => list[place]!)
      .reduce((one, other) =>
        Math.abs(other - wanted) > Math.abs(one - wanted) && Number.isFinite(other) ? other : one,
      ),
  )
}
