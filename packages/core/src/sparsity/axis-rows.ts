// The rows of a mask that depends on the key alone, such as global keys, are all the same, and those
// of one that depends on the query alone are empty, partial or full from end to end: one row or one
// column of tiles tells them all.
import type { BlockSizes } from './block-map.ts'
import type { Look } from './look.ts'
import { runWords } from './row-runs.ts'
import type { RowRuns } from './row-runs.ts'
import { subdivide } from './subdivide.ts'
import type { PlaneEnd } from './subdivide.ts'

/** The rows of a mask that sees the same keys from everywhere. */
export function keyRows(look: Look, end: PlaneEnd, sizes: BlockSizes): RowRuns {
  const { querySlots, keySlots } = end
  const right = Math.ceil(keySlots / sizes.keyBlockSize)
  const rectangle = { top: 0, bottom: 1, left: 0, right }
  const { runs } = subdivide(look, { querySlots: 1, keySlots }, sizes, rectangle)
  const rows = Math.ceil(querySlots / sizes.queryBlockSize)
  return {
    starts: new Uint32Array(rows),
    ends: new Uint32Array(rows).fill(runs.length / 2),
    runs,
  }
}

/** The rows of a mask that shows every key to some queries. */
export function queryRows(look: Look, end: PlaneEnd, sizes: BlockSizes): RowRuns {
  const { querySlots, keySlots } = end
  const { queryBlockSize, keyBlockSize } = sizes
  const rows = Math.ceil(querySlots / queryBlockSize)
  const column = subdivide(
    look,
    { querySlots, keySlots: 1 },
    { queryBlockSize, keyBlockSize: 1 },
    { top: 0, bottom: rows, left: 0, right: 1 },
  )
  const columns = Math.ceil(keySlots / keyBlockSize)
  const whole = Math.floor(keySlots / keyBlockSize)
  // A row in part, then a full one: a tile with the last key in it is never full.
  const fullRow = [
    [0, 2 * whole + 1],
    [whole, 2 * (columns - whole)],
  ].filter(([, packed]) => packed! > 1)
  const runs = runWords(columns, 2 + 2 * fullRow.length)
  runs.set([0, 2 * columns, ...fullRow.flat()])
  const starts = new Uint32Array(rows)
  const ends = new Uint32Array(rows)
  for (let row = 0; row < rows; row++) {
    const run = column.starts[row]!
    if (run === column.ends[row] || columns === 0) continue
    const full = (column.runs[2 * run + 1]! & 1) === 1
    starts[row] = full ? 1 : 0
    ends[row] = full ? 1 + fullRow.length : 1
  }
  return { starts, ends, runs }
}
