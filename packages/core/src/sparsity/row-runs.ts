// Runs of tiles row by row: the part of a block map that is computed. Rows that look alike share
// their runs until a map is complete: a global key is one row, however many rows of tiles see it.
import type { BlockMap } from './block-map.ts'

/** Two words a run, as a block map stores them: the first tile, and `2 * tiles + full`. */
export type RunWords = BlockMap['runs']

/** Row i holds runs `starts[i] .. ends[i] - 1` of `runs`; rows may share them. */
export interface RowRuns {
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly runs: RunWords
}

/** Tiles of a row for which the words of a run fit 16 bits. */
const mostTilesInHalfWords = 2 ** 15 - 1

/** Room for runs in rows of `tiles` tiles: half words where they do, for maps can be large. */
export function runWords(tiles: number, words: number): RunWords {
  return tiles <= mostTilesInHalfWords ? new Uint16Array(words) : new Uint32Array(words)
}

/** Gives memory back at once, where the engine can, instead of when it next collects garbage. */
export function release({ buffer }: RunWords): void {
  const { transfer } = buffer as { transfer?: (this: unknown, length: number) => unknown }
  transfer?.call(buffer, 0)
}

/** Rows that lie one after the other, as a block map lists them. */
export function consecutiveRows(rowOffsets: Uint32Array, runs: RunWords): RowRuns {
  return { starts: rowOffsets.subarray(0, -1), ends: rowOffsets.subarray(1), runs }
}

/** Takes `tiles` tiles from `start` on in a row; later ones of the same row lie behind. */
export type RecordRun = (row: number, start: number, tiles: number, full: boolean) => void

/** Collects the runs of `rows` rows of `columns` tiles in any order of rows. */
export function recordRuns(
  rows: number,
  columns: number,
): { readonly record: RecordRun; finish(): Pick<BlockMap, 'rowOffsets' | 'runs'> } {
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
  const finish = (): Pick<BlockMap, 'rowOffsets' | 'runs'> => {
    for (let row = 0; row < rows; row++) rowOffsets[row + 1]! += rowOffsets[row]!
    const next = rowOffsets.slice()
    const runs = runWords(columns, 2 * count)
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

/**
 * The rows of several planes one after the other, each row with runs of its own. The planes are used
 * up: a map can be as large as memory allows once, but not twice.
 */
export function joinRows(
  planes: readonly RowRuns[],
  columns: number,
): Pick<BlockMap, 'rowOffsets' | 'runs'> {
  const rows = planes.reduce((sum, { starts }) => sum + starts.length, 0)
  const rowOffsets = new Uint32Array(rows + 1)
  let row = 0
  let shared = false
  for (const { starts, ends } of planes) {
    for (let i = 0; i < starts.length; i++, row++) {
      shared ||= starts[i] !== rowOffsets[row]
      rowOffsets[row + 1] = rowOffsets[row]! + ends[i]! - starts[i]!
    }
  }
  const [first] = planes
  const words = 2 * rowOffsets[rows]!
  if (planes.length === 1 && !shared && first!.runs.length === words) {
    return { rowOffsets, runs: first!.runs }
  }
  const runs = runWords(columns, words)
  const lastUse = new Map(planes.map((plane, index) => [plane.runs, index]))
  row = 0
  planes.forEach(({ starts, ends, runs: source }, index) => {
    for (let i = 0; i < starts.length; i++, row++) {
      runs.set(source.subarray(2 * starts[i]!, 2 * ends[i]!), 2 * rowOffsets[row]!)
    }
    if (lastUse.get(source) === index) release(source)
  })
  return { rowOffsets, runs }
}
