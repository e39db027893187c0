// The rows of `a or b` and of `a and b` from those of a and b. Most tiles follow from what the parts
// say: full or anything is full, empty and anything is empty. Only a tile that several parts fill in
// part has to be looked at again.
import { appendRows } from './append-rows.ts'
import type { RowAppender } from './append-rows.ts'
import { emptyTile, fullTile, partialTile } from './look.ts'
import type { RowRuns, RunWords } from './row-runs.ts'

/** A tile that its parts do not decide. */
const unsureTile = 3

/** How masks are joined. */
export type Joint = 'and' | 'or'

/** What two tiles make, by 4 * first + second. */
const tables: Readonly<Record<Joint, readonly number[]>> = {
  or: [0, 1, 2, 3, 1, 3, 2, 3, 2, 2, 2, 2, 3, 3, 2, 3],
  and: [0, 0, 0, 0, 0, 3, 1, 3, 0, 1, 2, 3, 0, 3, 3, 3],
}

/** Runs of one row with their tiles' states, rewritten for every row. */
interface RowStates {
  ends: Uint32Array
  states: Uint8Array
  count: number
}

/**
 * Joins the rows of several masks.
 *
 * @param independent - Whether the masks depend on different coordinates, so that a pair that one
 *   shows or hides meets every pair of the other's.
 * @param check - What the joint mask does on a tile: {@link emptyTile} and so on.
 */
export function combineRows(
  joint: Joint,
  parts: readonly RowRuns[],
  columns: number,
  check: (row: number, column: number) => number,
  independent = false,
): RowRuns {
  const rows = parts[0]!.starts.length
  const result = appendRows(rows, columns)
  const table = tables[joint].map((state) =>
    independent && state === unsureTile ? partialTile : state,
  )
  let joined = rowStates(columns)
  let next = rowStates(columns)
  let decided = false // whether the row before needed no check

  for (let row = 0; row < rows; row++) {
    if (decided && parts.every((part) => sameRow(part, row))) {
      result.shareRow()
      continue
    }
    decided = true
    const shown = parts.filter(({ starts, ends }) => starts[row]! < ends[row]!)
    if (joint === 'or' ? shown.length === 0 : shown.length < parts.length) {
      result.endRow()
      continue
    }
    if (shown.length === 1) {
      result.copy(shown[0]!, row)
      result.endRow()
      continue
    }
    joined.ends[0] = columns
    joined.states[0] = joint === 'or' ? emptyTile : fullTile
    joined.count = 1
    // Rows of few runs first: where they decide, the runs of the others are passed over.
    shown.sort((a, b) => a.ends[row]! - a.starts[row]! - (b.ends[row]! - b.starts[row]!))
    for (const part of shown) {
      joinRow(joined, part, row, joint === 'or' ? fullTile : emptyTile, table, next)
      ;[joined, next] = [next, joined]
    }
    if (!addRow(result, joined, (column) => check(row, column))) decided = false
    result.endRow()
  }
  return result.finish()
}

function rowStates(columns: number): RowStates {
  return { ends: new Uint32Array(columns + 1), states: new Uint8Array(columns + 1), count: 0 }
}

function sameRow({ starts, ends }: RowRuns, row: number): boolean {
  return row > 0 && starts[row] === starts[row - 1] && ends[row] === ends[row - 1]
}

/**
 * Joins a row of states with a row of runs. Both are cut into pieces that end where either ends.
 *
 * @param deciding - The state that stays what it is, whatever is joined with it.
 */
function joinRow(
  { ends, states, count: pieces }: RowStates,
  { starts, ends: rowEnds, runs }: RowRuns,
  row: number,
  deciding: number,
  table: readonly number[],
  out: RowStates,
): void {
  const lastRun = rowEnds[row]!
  let run = starts[row]!
  let count = 0
  let latest = -1
  /** Adds a piece that ends at `end`, and returns that. */
  const add = (state: number, end: number): number => {
    if (state === latest) {
      out.ends[count - 1] = end
    } else {
      out.ends[count] = end
      out.states[count++] = latest = state
    }
    return end
  }
  let column = 0
  for (let piece = 0; piece < pieces; piece++) {
    const end = ends[piece]!
    const state = states[piece]!
    if (state === deciding) {
      column = add(state, end)
      run = firstRunAfter(end, runs, run, lastRun)
      continue
    }
    while (column < end) {
      const start = run < lastRun ? runs[2 * run]! : end
      if (start > column) column = add(table[4 * state]!, Math.min(start, end))
      if (column === end) break
      const packed = runs[2 * run + 1]!
      const runEnd = start + (packed >>> 1)
      column = add(table[4 * state + partialTile + (packed & 1)]!, Math.min(end, runEnd))
      if (runEnd <= end) run++
    }
  }
  out.count = count
}

/** The first of the runs `from .. to - 1` that reaches past a column. */
function firstRunAfter(column: number, runs: RunWords, from: number, to: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (runs[2 * middle]! + (runs[2 * middle + 1]! >>> 1) > column) high = middle
    else low = middle + 1
  }
  return low
}

/** Adds a row of states, looks at what is unsure, and says whether nothing was. */
function addRow(
  result: RowAppender,
  { ends, states, count }: RowStates,
  check: (column: number) => number,
): boolean {
  let sure = true
  let start = 0
  for (let piece = 0; piece < count; piece++) {
    const end = ends[piece]!
    const state = states[piece]!
    if (state === unsureTile) {
      sure = false
      for (let column = start; column < end; column++) {
        const seen = check(column)
        if (seen !== emptyTile) result.add(column, 1, seen === fullTile)
      }
    } else if (state !== emptyTile) {
      result.add(start, end - start, state === fullTile)
    }
    start = end
  }
  return sure
}
