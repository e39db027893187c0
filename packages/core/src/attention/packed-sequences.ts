// Sequences of different lengths end to end in one tensor, as in FlashAttention's varlen functions
// (cu_seqlens): where each begins, and where its tokens stand. Nothing is padded.
import { rangeError, shapeError, typeError } from '../errors.ts'
import { numbersOf } from '../integer-list.ts'
import type { IntegerList } from '../integer-list.ts'
import { checkOptions } from '../check-options.ts'
import type { OptionNames } from '../check-options.ts'

/**
 * How sequences lie end to end along the length of one batch entry. Sequence s has the queries
 * `cumulativeQueryLengths[s] .. cumulativeQueryLengths[s + 1] - 1` and the keys likewise; it attends
 * to nothing but its own keys, as if it were a call of its own.
 */
export interface PackedSequences {
  /**
   * One number more than there are sequences: from 0 to the query length, never decreasing
   * (`cu_seqlens_q`). A sequence may be empty.
   */
  readonly cumulativeQueryLengths: IntegerList
  /** The same for keys (`cu_seqlens_k`). Default: `cumulativeQueryLengths`. */
  readonly cumulativeKeyLengths?: IntegerList | undefined
}

const packedSequences: OptionNames<PackedSequences> = {
  cumulativeQueryLengths: true,
  cumulativeKeyLengths: true,
}

/** Packed sequences with every default filled in. */
export interface ResolvedSequences {
  readonly cumulativeQueryLengths: Int32Array
  readonly cumulativeKeyLengths: Int32Array
  /** Position of the first query of each sequence. */
  readonly queryOffsets: Int32Array
  /** Keys that count, for each sequence. */
  readonly keyLengths: Int32Array
  /** Position of each query within its sequence. */
  readonly queryPositions: Int32Array
  /** Position of each key within its sequence. */
  readonly keyPositions: Int32Array
}

/** The lengths of the tensors that sequences are packed in. */
export interface PackedShape {
  readonly batch: number
  readonly queryLength: number
  readonly keyLength: number
}

/** The two lists of the option, checked. */
export function cumulativeLengths(
  caller: string,
  { batch, queryLength, keyLength }: PackedShape,
  sequences: PackedSequences,
): { readonly queries: Int32Array; readonly keys: Int32Array } {
  checkOptions(`${caller}: sequences`, sequences, packedSequences)
  if (batch !== 1) {
    throw shapeError(
      `${caller}: packed sequences lie in one batch entry, so batch must be 1, got ${batch}`,
    )
  }
  const { cumulativeQueryLengths, cumulativeKeyLengths = cumulativeQueryLengths } = sequences
  const queries = cumulative(
    caller,
    'cumulativeQueryLengths',
    cumulativeQueryLengths,
    'query',
    queryLength,
  )
  const keys = cumulative(caller, 'cumulativeKeyLengths', cumulativeKeyLengths, 'key', keyLength)
  if (keys.length !== queries.length) {
    throw shapeError(
      `${caller}: cumulativeKeyLengths must be for as many sequences as cumulativeQueryLengths, got ${keys.length - 1} and ${queries.length - 1}`,
    )
  }
  return { queries, keys }
}

function cumulative(
  caller: string,
  name: string,
  list: IntegerList,
  axis: string,
  length: number,
): Int32Array {
  const given = numbersOf(list)
  if (typeof given !== 'object' || given === null || typeof given.length !== 'number') {
    throw typeError(`${caller}: sequences.${name} must be a list of numbers, got ${typeof given}`)
  }
  if (given.length < 2 || given[0] !== 0) {
    throw rangeError(
      `${caller}: sequences.${name} must begin with 0 and name the end of at least one sequence, got [${Array.from(given).slice(0, 2).join(', ')}]`,
    )
  }
  const values = new Int32Array(given.length)
  for (let index = 1; index < given.length; index++) {
    const value = given[index]!
    if (!Number.isInteger(value) || value < values[index - 1]!) {
      throw rangeError(
        `${caller}: sequences.${name} must be integers that never decrease, got ${value} after ${values[index - 1]}`,
      )
    }
    values[index] = value
  }
  if (given[given.length - 1] !== length) {
    throw shapeError(
      `${caller}: sequences.${name} must end with the ${axis} length ${length}, got ${given[given.length - 1]}`,
    )
  }
  return values
}

/**
 * Position of each packed token within its sequence: what embeddings and rotations by position want.
 *
 * @param cumulative - From 0, never decreasing, to the number of tokens.
 *
 * @example
 * ```ts
 * import { sequencePositions } from '@attn/core'
 * Array.from(sequencePositions([0, 3, 3, 5])) // => [0, 1, 2, 0, 1]
 * ```
 */
export function sequencePositions(cumulative: IntegerList): Int32Array {
  const cumulativeLengths = numbersOf(cumulative)
  const count = cumulativeLengths.length - 1
  const positions = new Int32Array(cumulativeLengths[count] ?? 0)
  for (let sequence = 0; sequence < count; sequence++) {
    const start = cumulativeLengths[sequence]!
    for (let token = start; token < cumulativeLengths[sequence + 1]!; token++) {
      positions[token] = token - start
    }
  }
  return positions
}

/** Where each token stands within its sequence. */
export function locateTokens(
  { queries, keys }: { readonly queries: Int32Array; readonly keys: Int32Array },
  queryOffsets: Int32Array,
  keyLengths: Int32Array,
): ResolvedSequences {
  const count = queries.length - 1
  const queryPositions = sequencePositions(queries)
  for (let sequence = 0; sequence < count; sequence++) {
    for (let query = queries[sequence]!; query < queries[sequence + 1]!; query++) {
      queryPositions[query]! += queryOffsets[sequence]!
    }
  }
  return {
    cumulativeQueryLengths: queries,
    cumulativeKeyLengths: keys,
    queryOffsets,
    keyLengths,
    queryPositions,
    keyPositions: sequencePositions(keys),
  }
}
