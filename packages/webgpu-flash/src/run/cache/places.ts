// Which row of a cache's buffers a token lies in: the account that `append`, `truncate` and the rest keep.
import { rangeError } from '@attn/core'
import type { RowMove } from './row-mover.ts'
import type { RowRun } from './saved-cache.ts'
import type { KeyPlaces, PlacesText } from '../../plan/decode/key-places.ts'

/** What appending needs besides. */
export interface PlacedAppend {
  /** Rows to be moved first, of each sequence: what it shared with others and would write to. */
  readonly moves?: readonly (readonly RowMove[])[]
  /** The pages of each sequence. */
  readonly tables?: readonly (readonly number[])[]
}

/** The account of a cache's rows. Checks throw before anything changes. */
export interface CachePlaces {
  /** What of it kernels are made for; undefined where tokens lie at the rows of their positions. */
  readonly text: PlacesText | undefined
  /**
   * Checks that sequences of these lengths can take so many tokens more.
   *
   * @throws RangeError where they cannot.
   */
  checkAppend(caller: string, lengths: Int32Array, counts: Int32Array): void
  /** Makes place for them. */
  append(lengths: Int32Array, counts: Int32Array): PlacedAppend
  /**
   * Checks that sequences can be cut back to these lengths.
   *
   * @throws RangeError where what they need then is no longer there.
   */
  checkTruncate(caller: string, lengths: Int32Array): void
  truncate(lengths: Int32Array): void
  /** Whether a token that was appended is still there. */
  holds(sequence: number, position: number): boolean
  /** The row of a token. */
  row(sequence: number, position: number): number
  /** What is saved of the sequences, whose lengths are these: runs of rows that hold anything. */
  savedRuns(lengths: Int32Array): readonly (readonly RowRun[])[]
  /** Of a ring, the longest that each sequence was. */
  readonly longest?: readonly number[]
  /**
   * Checks that there is room for what was saved in place of what there is.
   *
   * @throws RangeError where there is not.
   */
  checkRestore(caller: string, lengths: Int32Array): void
  /** Takes over from a saved cache, whose sequences were so long. */
  restore(lengths: Int32Array, longest: readonly number[] | undefined): void
  /** For calls of attention. */
  inputs(): KeyPlaces | undefined
}

/** Tokens one after another, each at the row of its position. */
export function createRowPlaces(capacity: () => number): CachePlaces {
  return {
    text: undefined,
    checkAppend: (caller, lengths, counts) =>
      counts.forEach((count, sequence) => {
        if (lengths[sequence]! + count > capacity()) {
          throw rangeError(
            `${caller}: the cache is full: sequence ${sequence} holds ${lengths[sequence]} of ${capacity()} tokens, got ${count} more; cache.grow or cache.truncate makes room`,
            'ATTN_CACHE_FULL',
          )
        }
      }),
    append: () => ({}),
    checkTruncate: () => undefined,
    truncate: () => undefined,
    holds: () => true,
    row: (_sequence, position) => position,
    savedRuns: (lengths) => Array.from(lengths, (count) => [{ row: 0, count }]),
    checkRestore: () => undefined,
    restore: () => undefined,
    inputs: () => undefined,
  }
}
