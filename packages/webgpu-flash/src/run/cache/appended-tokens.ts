// Where the queries of a call over a cache stand. Queries come in the rows of the tokens that were just
// appended, and prompts of unequal lengths are padded: their last rows are not their sequence's last tokens.
import { rangeError } from '@attn/core'
import type { AttentionShape } from '@attn/core'
import type { AppendedRows } from './append-words.ts'

/** What a cache knows of its last tokens; part of `cache.inputs()`. */
export interface AppendedTokens {
  /** Rows of the last append, padding included. */
  readonly rows: number
  /** Position of the first of them, of each sequence. */
  readonly starts: readonly number[]
  /**
   * So many last rows of all appends had no padding: for as many queries, they are the last tokens of
   * their sequences. At least 1.
   */
  readonly whole: number
  /** How far from the first token of the last append each of its rows stands. Default: one after another. */
  readonly depths?: readonly number[] | undefined
}

/**
 * Positions of the first query of each sequence; undefined where queries are the last tokens, which is
 * the default of every call.
 *
 * @throws RangeError where the queries are neither the rows of the last append nor known to be the last
 *   tokens.
 */
export function appendedOffsets(
  caller: string,
  { queryLength }: AttentionShape,
  { rows, starts, whole }: AppendedTokens,
): readonly number[] | undefined {
  if (queryLength <= whole) return undefined
  if (queryLength === rows) return starts
  throw rangeError(
    `${caller}: the cache was last given ${rows} rows with padding, so it cannot tell where ${queryLength} queries stand; give queryOffset, the position of each sequence's first query`,
  )
}

/** Keeps account of a cache's last tokens. */
export interface AppendLog {
  readonly appended: AppendedTokens
  /** After an append to lengths that were `starts`. */
  append(appended: AppendedRows): void
  /** After the sequences became others. */
  forget(): void
  /** After the sequences lost so many last tokens. */
  remove(counts: ArrayLike<number>): void
}

/** Starts an account. */
export function logAppends(batch: number): AppendLog {
  const nothing: AppendedTokens = {
    rows: 1,
    starts: Array.from({ length: batch }, () => 0),
    whole: 1,
  }
  let appended = nothing
  return {
    get appended() {
      return appended
    },
    append: ({ rows, counts, starts, leftPadded, depths }) => {
      const padded = Array.from(counts).some((count) => count !== rows)
      // Behind padding on the left come the last tokens, as many as there are rows.
      const known = leftPadded ? rows : 1
      appended = {
        rows,
        starts: Array.from(starts, (start, sequence) =>
          leftPadded ? start + counts[sequence]! - rows : start,
        ),
        whole: padded ? known : wholeAfter(appended, rows, starts),
        ...(depths ? { depths: Array.from(depths) } : {}),
      }
    },
    forget: () => {
      appended = nothing
    },
    remove: (counts) => {
      const [first, ...others] = Array.from(counts)
      const even = others.every((count) => count === first)
      const { depths: _gone, ...rest } = appended
      appended = {
        ...rest,
        // Another append decides anew what its rows are; these have lost some of their tokens.
        rows: even && first === 0 ? rest.rows : 1,
        whole: even ? Math.max(1, rest.whole - first!) : 1,
      }
    },
  }
}

function wholeAfter({ whole }: AppendedTokens, rows: number, starts: ArrayLike<number>): number {
  // Before its first tokens a sequence has none that could be padding.
  const empty = Array.from(starts).every((start) => start === 0)
  return empty ? rows : whole + rows
}
