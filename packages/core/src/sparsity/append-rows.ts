// Rows of runs that are written one after the other. A map of a million tokens can hold tens of
// millions of runs, so they are collected in pieces of bounded size rather than in one list that is
// copied each time it has doubled.
import { release, runWords } from './row-runs.ts'
import type { RowRuns, RunWords } from './row-runs.ts'

/** Words of a piece. A piece begins with a row, and no row lies in two pieces. */
const usualPiece = 2 ** 23

/** Rows that are written one after the other. */
export interface RowAppender {
  /** Adds the runs of a row of `source` to the current row. */
  copy(source: RowRuns, row: number): void
  /** Adds a run to the current row; a run that it touches and that is like it grows. */
  add(start: number, tiles: number, full: boolean): void
  /** Adds the runs of an earlier row, moved by `distance` tiles and cut off at `end`. */
  repeat(row: number, distance: number, end: number): void
  /** Ends the current row. */
  endRow(): void
  /** Adds a row that shares the runs of the row before it. Nothing may be added to it. */
  shareRow(): void
  finish(): RowRuns
}

/** Collects `rows` rows of `columns` tiles one after the other. */
export function appendRows(
  rows: number,
  columns: number,
  pieceWords: number = usualPiece,
): RowAppender {
  const starts = new Uint32Array(rows)
  const ends = new Uint32Array(rows)
  const pieces: RunWords[] = []
  const bases: number[] = [0] // the first run of every piece, and of the current one
  let words = runWords(columns, Math.min(512, pieceWords))
  let row = 0
  let rowStart = 0 // in the current piece
  let count = 0 // runs in the current piece

  /** Makes room for more runs. */
  const reserve = (more: number): void => {
    const needed = 2 * (count + more)
    if (needed <= words.length) return
    if (rowStart > 0 && needed > pieceWords) {
      pieces.push(words.subarray(0, 2 * rowStart))
      bases.push(bases.at(-1)! + rowStart)
      const fresh = runWords(columns, Math.max(pieceWords, 2 * (count - rowStart + more)))
      fresh.set(words.subarray(2 * rowStart, 2 * count))
      words = fresh
      count -= rowStart
      rowStart = 0
    } else {
      const larger = runWords(columns, Math.max(2 * words.length, needed))
      larger.set(words)
      words = larger
    }
  }

  const append = (start: number, packed: number): void => {
    if (count > rowStart) {
      const before = words[2 * count - 1]!
      const touches = words[2 * count - 2]! + (before >>> 1) === start
      if (touches && (before & 1) === (packed & 1)) {
        words[2 * count - 1] = before + (packed & ~1)
        return
      }
    }
    reserve(1)
    words[2 * count] = start
    words[2 * count + 1] = packed
    count++
  }

  /** Adds runs `first .. last - 1` of some words. Only the first of them can touch what is there. */
  const appendAll = (source: RunWords, first: number, last: number, distance: number): void => {
    if (first >= last) return
    append(source[2 * first]! + distance, source[2 * first + 1]!)
    reserve(last - first)
    const target = words
    let word = 2 * count
    for (let from = 2 * first + 2; from < 2 * last; from += 2) {
      target[word++] = source[from]! + distance
      target[word++] = source[from + 1]!
    }
    count = word / 2
  }

  return {
    copy: (source, from) => appendAll(source.runs, source.starts[from]!, source.ends[from]!, 0),
    add: (start, tiles, full) => append(start, 2 * tiles + Number(full)),
    repeat(from, distance, end) {
      let piece = pieces.length
      while (starts[from]! < bases[piece]!) piece--
      const source = pieces[piece] ?? words
      const first = starts[from]! - bases[piece]!
      let last = ends[from]! - bases[piece]!
      while (last > first && source[2 * last - 2]! + distance >= end) last--
      if (last === first) return
      appendAll(source, first, last - 1, distance)
      const start = source[2 * last - 2]! + distance
      const packed = source[2 * last - 1]!
      append(start, 2 * Math.min(packed >>> 1, end - start) + (packed & 1))
    },
    endRow() {
      const base = bases.at(-1)!
      starts[row] = base + rowStart
      ends[row++] = base + count
      rowStart = count
    },
    shareRow() {
      starts[row] = starts[row - 1]!
      ends[row] = ends[row - 1]!
      row++
    },
    finish() {
      const total = bases.at(-1)! + count
      const runs = runWords(columns, 2 * total)
      pieces.push(words.subarray(0, 2 * count))
      pieces.forEach((piece, index) => {
        runs.set(piece, 2 * bases[index]!)
        release(piece)
      })
      return { starts, ends, runs }
    },
  }
}
