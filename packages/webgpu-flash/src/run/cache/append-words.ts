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

/** Pages of a cache that has them. */
export interface AppendedPages {
  readonly pageSize: number
  readonly tables: readonly (readonly number[])[]
}

/** The words. */
export function wordsOfAppend(
  appended: AppendedRows,
  pages?: AppendedPages,
): Uint32Array<ArrayBuffer> {
  const { starts, counts, rows, leftPadded, depths } = appended
  const batch = starts.length
  const first = appendWords * batch
  const afterDepths = first + (depths ? rows : 0)
  const lists: number[] = []
  const head: number[] = []
  for (let sequence = 0; sequence < batch; sequence++) {
    const count = counts[sequence]!
    const skipped = leftPadded ? rows - count : 0
    const start = starts[sequence]!
    let table = 0
    if (pages && count > 0) {
      // Those that are written to; look-ups count from the first of all.
      const { pageSize, tables } = pages
      const firstPage = Math.floor(start / pageSize)
      table = afterDepths + lists.length - firstPage
      lists.push(...tables[sequence]!.slice(firstPage, Math.ceil((start + count) / pageSize)))
    }
    head.push(start, count, skipped, table, first + skipped)
  }
  return Uint32Array.from([...head, ...(depths ? Array.from(depths) : []), ...lists])
}
