// Which rows of the result are checked. Every row of a long sequence would take the CPU hours; whole
// blocks at the beginning, the end and in between, of the first head and the last, meet tile edges,
// tails and the wrong head just as well.
import { hash } from '../inputs/normal.ts'

/** Consecutive rows of one head. */
export interface RowBlock {
  /** Number of the head over all sequences: batch index * heads + head. */
  readonly head: number
  readonly firstRow: number
  readonly rows: number
}

const rowsPerBlock = 4

/**
 * The blocks to check.
 *
 * @param allHeads - B * H.
 * @param queryLength - L; all rows where it is at most 12.
 */
export function sampleBlocks(allHeads: number, queryLength: number): RowBlock[] {
  const heads = allHeads === 1 ? [0] : [0, allHeads - 1]
  if (queryLength <= 3 * rowsPerBlock) {
    return heads.map((head) => ({ head, firstRow: 0, rows: queryLength }))
  }
  return heads.flatMap((head) => {
    const between = rowsPerBlock + (hash(queryLength + head) % (queryLength - 3 * rowsPerBlock + 1))
    return [0, between, queryLength - rowsPerBlock].map((firstRow) => ({
      head,
      firstRow,
      rows: rowsPerBlock,
    }))
  })
}
