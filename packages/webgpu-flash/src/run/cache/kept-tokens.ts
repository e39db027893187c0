// Which of the tokens appended last stay, and where they move to: the accepted path of a draft tree
// (SpecInfer, arXiv 2305.09781).
import { rangeError, shapeError, typeError } from '@attn/core'
import type { AppendedRows } from './append-words.ts'
import type { CachePlaces } from './places.ts'
import type { RowMove } from './row-mover.ts'

/** Tokens to keep, of all sequences or of each. */
export type KeptIndices = ArrayLike<number> | readonly ArrayLike<number>[]

/** What keeping comes to. */
export interface KeptTokens {
  /** What the sequences hold then. */
  readonly lengths: Int32Array
  /** Rows that move, of each sequence, in this order. */
  readonly moves: readonly (readonly RowMove[])[]
}

/**
 * Finds what moves.
 *
 * @throws RangeError for tokens that were not appended last, or are not in their order.
 */
export function keptTokens(
  caller: string,
  indices: KeptIndices,
  last: AppendedRows | undefined,
  batch: number,
  places: CachePlaces,
): KeptTokens {
  if (last === undefined) {
    throw rangeError(
      `${caller}: needs tokens that were appended last, but since the last append tokens were forgotten`,
    )
  }
  const lists = listsOf(caller, indices, batch)
  const lengths = new Int32Array(batch)
  const moves = lists.map((list, sequence) => {
    const [start, count] = [last.starts[sequence]!, last.counts[sequence]!]
    list.forEach((index, at) => {
      if (!Number.isInteger(index) || index < 0 || index >= count) {
        throw rangeError(
          `${caller}: sequence ${sequence} was given ${count} tokens last, of which indices are 0..${count - 1}, got ${index}`,
        )
      }
      if (at > 0 && index <= list[at - 1]!) {
        throw rangeError(
          `${caller}: indices must ascend, as tokens of a path do, got ${index} after ${list[at - 1]}`,
        )
      }
      if (!places.holds(sequence, start + index)) {
        throw rangeError(`${caller}: the ring has no longer token ${index} of the last append`)
      }
    })
    lengths[sequence] = start + list.length
    return list.flatMap((index, at): RowMove[] =>
      index === at ? [] : [[places.row(sequence, start + index), places.row(sequence, start + at)]],
    )
  })
  return { lengths, moves }
}

function listsOf(caller: string, indices: KeptIndices, batch: number): number[][] {
  if (typeof indices?.length !== 'number') {
    throw typeError(`${caller}: needs a list of indices, got ${typeof indices}`)
  }
  const given = Array.from(indices as ArrayLike<number | ArrayLike<number>>)
  if (given.length > 0 && given.every((each) => typeof each === 'object')) {
    if (given.length !== batch) {
      throw shapeError(
        `${caller}: needs a list for each of ${batch} sequences, got ${given.length}`,
      )
    }
    return given.map((list) => Array.from(list))
  }
  return Array.from({ length: batch }, () => given as number[])
}
