// A block map as one list of words for the GPU, with the order in which its rows are taken: longest
// first, so that no long row begins when all others are done, or as they come.
import type { BlockMap } from '@attn/core'

/** A block map as the kernel reads it. */
export interface PackedBlockMap {
  /** Row offsets, then the order of rows, then the runs. */
  readonly words: Uint32Array<ArrayBuffer>
  readonly orderBase: number
  readonly runsBase: number
  /** Tiles visited in each row, and so the work there is. */
  readonly rowTiles: Uint32Array
  /** Tiles visited by all heads and sequences that have maps of their own. */
  readonly visited: number
  readonly full: number
}

/** Packs a block map. */
export function packBlockMap(
  map: BlockMap,
  order: 'longest first' | 'ascending' = 'longest first',
): PackedBlockMap {
  const { rowOffsets, runs, queryBlocks } = map
  const rows = rowOffsets.length - 1
  const rowTiles = new Uint32Array(rows)
  let visited = 0
  let full = 0
  for (let row = 0; row < rows; row++) {
    for (let run = rowOffsets[row]!; run < rowOffsets[row + 1]!; run++) {
      const packed = runs[2 * run + 1]!
      rowTiles[row]! += packed >>> 1
      if (packed & 1) full += packed >>> 1
    }
    visited += rowTiles[row]!
  }
  const orderBase = rowOffsets.length
  const runsBase = orderBase + rows
  const words = new Uint32Array(runsBase + runs.length)
  words.set(rowOffsets)
  for (let first = 0; first < rows; first += queryBlocks) {
    const lengths = rowTiles.subarray(first, first + queryBlocks)
    const rowOrder = order === 'ascending' ? ascending(queryBlocks) : longestFirst(lengths)
    words.set(rowOrder, orderBase + first)
  }
  words.set(runs, runsBase)
  return { words, orderBase, runsBase, rowTiles, visited, full }
}

/** Row numbers by falling length; rows of one length keep their order, whose keys are neighbours. */
function longestFirst(lengths: Uint32Array): Uint32Array {
  return ascending(lengths.length).sort((a, b) => lengths[b]! - lengths[a]! || a - b)
}

function ascending(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, row) => row)
}
