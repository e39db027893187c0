// Runs of tiles row by row: the part of a block map that is computed. Two ways to collect them: in any
// order of rows, as a quadtree finds them, and one row after the other.
import type { BlockMap } from './block-map.ts'

/** Runs of several rows, as a block map stores them. */
export type RowRuns = Pick<BlockMap, 'rowOffsets' | 'runs'>

/** Takes `tiles` tiles from `start` on in a row; later ones of the same row lie behind. */
export type RecordRun = (row: number, start: number, tiles: number, full: boolean) => void

/** Collects the runs of `rows` rows in any order of rows. */
export function recordRuns(rows: number): { readonly record: RecordRun; finish(): RowRuns } {
  const latest = new Int32Array(rows).fill(-1) // the last run of each row
  const rowOffsets = new Uint32Array(rows + 1)
  // Three words a run: row, first tile, 2 * tiles + full.
  let events = new Uint32Array(3 * 256)
  let count = 0

  const record: RecordRun = (row, start, tiles, full) => {
    const last = 3 * latest[row]!
    if (last >= 0) {
      const packed = events[last + 2]!
      const touches = events[last + 1]! + (packed >>> 1) === start
      if (touches && (packed & 1) === Number(full)) {
        events[last + 2] = packed + 2 * tiles
        return
      }
    }
    if (3 * count === events.length) events = grown(events)
    events[3 * count] = row
    events[3 * count + 1] = start
    events[3 * count + 2] = 2 * tiles + Number(full)
    latest[row] = count++
    rowOffsets[row + 1]!++
  }

  // The runs of a row are in order already, so one counting sort is enough.
  const finish = (): RowRuns => {
    for (let row = 0; row < rows; row++) rowOffsets[row + 1]! += rowOffsets[row]!
    const next = rowOffsets.slice()
    const runs = new Uint32Array(2 * count)
    for (let event = 0; event < count; event++) {
      const place = next[events[3 * event]!]!++
      runs[2 * place] = events[3 * event + 1]!
      runs[2 * place + 1] = events[3 * event + 2]!
    }
    return { rowOffsets, runs }
  }

  return { record, finish }
}

function grown(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * words.length)
  larger.set(words)
  return larger
}

/** Rows that are written one after the other. */
export interface RowAppender {
  /** Adds the runs of a row of `source` to the current row. */
  copy(source: RowRuns, row: number): void
  /** Adds a run to the current row. */
  add(start: number, tiles: number, full: boolean): void
  /** Adds the runs of an earlier row, moved by `distance` tiles and cut off at `end`. */
  repeat(row: number, distance: number, end: number): void
  /** Ends the current row. */
  endRow(): void
  finish(): RowRuns
}

/** Collects rows one after the other. */
export function appendRows(): RowAppender {
  let rowOffsets = new Uint32Array(256)
  let runs = new Uint32Array(512)
  let rows = 0
  let count = 0

  const append = (start: number, packed: number): void => {
    if (count > rowOffsets[rows]!) {
      const before = runs[2 * count - 1]!
      const touches = runs[2 * count - 2]! + (before >>> 1) === start
      if (touches && (before & 1) === (packed & 1)) {
        runs[2 * count - 1] = before + (packed & ~1)
        return
      }
    }
    if (2 * count === runs.length) runs = grown(runs)
    runs[2 * count] = start
    runs[2 * count + 1] = packed
    count++
  }

  return {
    copy(source, row) {
      const end = source.rowOffsets[row + 1]!
      for (let run = source.rowOffsets[row]!; run < end; run++) {
        append(source.runs[2 * run]!, source.runs[2 * run + 1]!)
      }
    },
    add: (start, tiles, full) => append(start, 2 * tiles + Number(full)),
    repeat(row, distance, end) {
      const last = rowOffsets[row + 1]!
      for (let run = rowOffsets[row]!; run < last; run++) {
        const start = runs[2 * run]! + distance
        if (start >= end) return
        const packed = runs[2 * run + 1]!
        append(start, 2 * Math.min(packed >>> 1, end - start) + (packed & 1))
      }
    },
    endRow() {
      rows++
      if (rows === rowOffsets.length) rowOffsets = grown(rowOffsets)
      rowOffsets[rows] = count
    },
    finish() {
      return { rowOffsets: rowOffsets.slice(0, rows + 1), runs: runs.slice(0, 2 * count) }
    },
  }
}

/** The rows of several planes one after the other. */
export function joinRows(planes: readonly RowRuns[]): RowRuns {
  if (planes.length === 1) return planes[0]!
  const rows = planes.reduce((sum, plane) => sum + plane.rowOffsets.length - 1, 0)
  const words = planes.reduce((sum, plane) => sum + plane.runs.length, 0)
  const rowOffsets = new Uint32Array(rows + 1)
  const runs = new Uint32Array(words)
  let row = 0
  let word = 0
  for (const plane of planes) {
    for (let i = 1; i < plane.rowOffsets.length; i++) {
      rowOffsets[++row] = word / 2 + plane.rowOffsets[i]!
    }
    runs.set(plane.runs, word)
    word += plane.runs.length
  }
  return { rowOffsets, runs }
}
