// How much of the score matrix a block map leaves: what a plan costs, before it runs.
import type { BlockMap } from './block-map.ts'
import type { TransposedBlockMap } from './transpose-block-map.ts'

/**
 * Tiles of a block map, counted once for each map it holds (where sequences or heads share one,
 * multiply by how many do).
 */
export interface BlockMapStatistics {
  /** All tiles. */
  readonly total: number
  /** Tiles that hold a visible pair: `partial + full`. */
  readonly visited: number
  /** Tiles that need the mask. */
  readonly partial: number
  /** Tiles that do not. */
  readonly full: number
  /** Tiles that are never read. */
  readonly skipped: number
  /** visited / total: the work that is left. */
  readonly fraction: number
  /** Most tiles in one row: the longest wait of one workgroup. */
  readonly longestRow: number
  /** Rows without any tile. */
  readonly emptyRows: number
}

/**
 * Counts the tiles of a block map.
 *
 * @example
 * ```ts
 * import { blockMapStatistics, createBlockMap, mask } from '@attn/core'
 * const causal = mask('causal', ({ query, key }) => key.le(query))
 * const shape = { batch: 1, heads: 1, queryLength: 2 ** 20, keyLength: 2 ** 20 }
 * const map = createBlockMap(causal, shape, { queryBlockSize: 64, keyBlockSize: 64 })
 * const { visited, partial, total } = blockMapStatistics(map)
 * visited // => 134_225_920
 * partial // => 16_384
 * total // => 268_435_456
 * ```
 */
export function blockMapStatistics(map: BlockMap | TransposedBlockMap): BlockMapStatistics {
  const { rowOffsets, runs } = map
  const counts = [0, 0] // partial, full
  let longestRow = 0
  let emptyRows = 0
  for (let row = 0; row + 1 < rowOffsets.length; row++) {
    let tilesInRow = 0
    for (let run = rowOffsets[row]!; run < rowOffsets[row + 1]!; run++) {
      const packed = runs[2 * run + 1]!
      counts[packed & 1]! += packed >>> 1
      tilesInRow += packed >>> 1
    }
    longestRow = Math.max(longestRow, tilesInRow)
    if (tilesInRow === 0) emptyRows++
  }
  const [partial, full] = counts as [number, number]
  const visited = partial + full
  const total = map.batch * map.heads * map.queryBlocks * map.keyBlocks
  const fraction = visited / total
  return {
    total,
    visited,
    partial,
    full,
    skipped: total - visited,
    fraction,
    longestRow,
    emptyRows,
  }
}
