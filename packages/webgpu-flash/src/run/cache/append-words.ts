// What the kernel that appends tokens is told of each sequence: where its rows go, which of the rows that
// came are its, and where they stand.
import { appendWords } from '../../kernels/rotate/appended-row.ts'

/** Rows to append. */
export interface AppendedRows {
  /** Positions of the first ones. */
  readonly starts: ArrayLike<number>
  readonly counts: ArrayLike<number>
  /** Rows of the tensors, padding included. */
  readonly rows: number
  readonly leftPadded: boolean
  /** How far from the first each row stands. Default: one after another. */
  readonly depths?: ArrayLike<number> | undefined
}

/** The words. */
export function wordsOfAppend(appended: AppendedRows): Uint32Array<ArrayBuffer> {
  const { starts, counts, rows, leftPadded, depths } = appended
  const batch = starts.length
  const first = appendWords * batch
  const words = new Uint32Array(first + (depths ? rows : 0))
  for (let sequence = 0; sequence < batch; sequence++) {
    const count = counts[sequence]!
    const skipped = leftPadded ? rows - count : 0
    words.set([starts[sequence]!, count, skipped, 0, first + skipped], appendWords * sequence)
  }
  if (depths) words.set(Array.from(depths), first)
  return words
}
