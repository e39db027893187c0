// The same tiles listed by key: what dK and dV loop over. Neighbouring rows of a map are nearly the
// same, so only the columns that change from one row to the next are touched. A causal map of 2^20
// tokens transposes in milliseconds, where a walk over its 134 million tiles would take seconds.
import type { BlockMap } from './block-map.ts'
import { recordRuns } from './row-runs.ts'

/** For every row of key tiles the runs of query tiles that are not empty. */
export interface TransposedBlockMap extends Omit<BlockMap, 'kind'> {
  readonly kind: 'transposedBlockMap'
  /** Row `(b * heads + h) * keyBlocks + j` holds runs `rowOffsets[row] .. rowOffsets[row + 1] - 1`. */
  readonly rowOffsets: Uint32Array
  /**
   * Two words a run, ascending within a row: the first query tile, and `2 * tiles + full`. A full tile
   * lies within the keys but may reach past the last query, which a kernel must check by itself.
   */
  readonly runs: Uint16Array | Uint32Array
}

/**
 * Lists the tiles of a block map by key tile instead of by query tile; and back again.
 *
 * @example
 * ```ts
 * import { createBlockMap, mask, transposeBlockMap } from '@attn/core'
 * const causal = mask('causal', ({ query, key }) => key.le(query))
 * const shape = { batch: 1, heads: 1, queryLength: 192, keyLength: 192 }
 * const map = createBlockMap(causal, shape, { queryBlockSize: 64, keyBlockSize: 64 })
 * const transposed = transposeBlockMap(map)
 * // Key tile 0 is seen by query tile 0 in part and by the two after it in full.
 * transposed.runs.slice(0, 4) // => new Uint16Array([0, 2, 1, 5])
 * ```
 */
export function transposeBlockMap(map: BlockMap): TransposedBlockMap
export function transposeBlockMap(map: TransposedBlockMap): BlockMap
export function transposeBlockMap(
  map: BlockMap | TransposedBlockMap,
): BlockMap | TransposedBlockMap {
  const byQuery = map.kind === 'blockMap'
  const rows = byQuery ? map.queryBlocks : map.keyBlocks
  const columns = byQuery ? map.keyBlocks : map.queryBlocks
  const planes = map.batch * map.heads
  const { rowOffsets, runs } = map
  const recorder = recordRuns(planes * columns, rows)
  const opened = new Uint32Array(columns) // the row in which the current run of a column began

  for (let plane = 0; plane < planes; plane++) {
    const first = plane * rows
    const last = first + rows
    for (let row = first; row <= last; row++) {
      // There is nothing above the first row and below the last.
      const above = row > first ? rowOffsets[row - 1]! : rowOffsets[row]!
      const here = rowOffsets[row]!
      const below = row < last ? rowOffsets[row + 1]! : here
      forEachChange(runs, columns, above, here, below, (start, end, before, after) => {
        for (let column = start; column < end; column++) {
          const from = opened[column]!
          const tiles = row - first - from
          if (before !== empty) {
            recorder.record(plane * columns + column, from, tiles, before === full)
          }
          if (after !== empty) opened[column] = row - first
        }
      })
    }
  }
  const kind = byQuery ? 'transposedBlockMap' : 'blockMap'
  return { ...map, kind, ...recorder.finish() }
}

const empty = 0
const full = 2

/**
 * Compares the row of runs `above .. here - 1` with the next, `here .. below - 1`. States are 0
 * (empty), 1 (partial) and 2 (full).
 */
function forEachChange(
  runs: BlockMap['runs'],
  columns: number,
  above: number,
  here: number,
  below: number,
  changed: (start: number, end: number, before: number, after: number) => void,
): void {
  let upper = above
  let lower = here
  let column = 0
  while (column < columns) {
    const upperStart = upper < here ? runs[2 * upper]! : columns
    const lowerStart = lower < below ? runs[2 * lower]! : columns
    const inUpper = column >= upperStart
    const inLower = column >= lowerStart
    const upperEnd = inUpper ? upperStart + (runs[2 * upper + 1]! >>> 1) : upperStart
    const lowerEnd = inLower ? lowerStart + (runs[2 * lower + 1]! >>> 1) : lowerStart
    const before = inUpper ? 1 + (runs[2 * upper + 1]! & 1) : empty
    const after = inLower ? 1 + (runs[2 * lower + 1]! & 1) : empty
    const end = Math.min(upperEnd, lowerEnd)
    if (before !== after) changed(column, end, before, after)
    if (inUpper && end === upperEnd) upper++
    if (inLower && end === lowerEnd) lower++
    column = end
  }
}
