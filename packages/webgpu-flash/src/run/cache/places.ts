// Which row of a cache's buffers a token lies in: the account that `append`, `truncate` and the rest keep.
import type { KeyPlaces, PlacesText } from '../../plan/decode/key-places.ts'

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
  append(lengths: Int32Array, counts: Int32Array): void
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
          throw new RangeError(
            `${caller}: the cache is full: sequence ${sequence} holds ${lengths[sequence]} of ${capacity()} tokens, got ${count} more; cache.grow or cache.truncate makes room`,
          )
        }
      }),
    append: () => undefined,
    checkTruncate: () => undefined,
    truncate: () => undefined,
    holds: () => true,
    row: (_sequence, position) => position,
    inputs: () => undefined,
  }
}
