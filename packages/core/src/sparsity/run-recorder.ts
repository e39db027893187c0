// Collects runs of tiles in the order in which a quadtree finds them and sorts them into rows. Within
// a row they arrive in ascending order, so one counting sort is enough.
import type { BlockMap } from './block-map.ts'

/** Takes runs row by row and packs them as a block map stores them. */
export interface RunRecorder {
  /** Adds `tiles` key tiles from `start` on to a row; later ones of the same row lie behind. */
  record(row: number, start: number, tiles: number, full: boolean): void
  /** All rows in the form of a block map. */
  finish(): Pick<BlockMap, 'rowOffsets' | 'runs'>
}

/** Starts a recording of `rows` rows. */
export function recordRuns(rows: number): RunRecorder {
  const latest = new Int32Array(rows).fill(-1) // the last run of each row
  const rowOffsets = new Uint32Array(rows + 1)
  // Three words a run: row, first tile, 2 * tiles + full.
  let events = new Uint32Array(3 * 1024)
  let count = 0

  const record: RunRecorder['record'] = (row, start, tiles, full) => {
    const last = 3 * latest[row]!
    if (last >= 0) {
      const packed = events[last + 2]!
      const touches = events[last + 1]! + (packed >>> 1) === start
      if (touches && (packed & 1) === Number(full)) {
        events[last + 2] = packed + 2 * tiles
        return
      }
    }
    if (3 * count === events.length) {
      const larger = new Uint32Array(2 * events.length)
      larger.set(events)
      events = larger
    }
    events[3 * count] = row
    events[3 * count + 1] = start
    events[3 * count + 2] = 2 * tiles + Number(full)
    latest[row] = count++
    rowOffsets[row + 1]!++
  }

  const finish: RunRecorder['finish'] = () => {
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
