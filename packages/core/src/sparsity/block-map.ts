// Which tiles of the score matrix hold anything: data only, made by `createBlockMap`, read by every
// block-sparse kernel. Runs of tiles, not tiles, because a list of single tiles would need 134
// million entries for a causal mask over 2^20 tokens.
import { rangeError } from '../errors.ts'

/** The size of a tile, in tokens. */
export interface BlockSizes {
  readonly queryBlockSize: number
  readonly keyBlockSize: number
}

/** For every row of query tiles the runs of key tiles that are not empty. */
export interface BlockMap {
  readonly kind: 'blockMap'
  /** L and S, in tokens; slots, where tokens stand in an order of their own. */
  readonly queryLength: number
  readonly keyLength: number
  /** Size of a tile, in tokens. */
  readonly queryBlockSize: number
  readonly keyBlockSize: number
  /** Tiles along each axis: `ceil(length / blockSize)`. */
  readonly queryBlocks: number
  readonly keyBlocks: number
  /** Sequences and heads with maps of their own; 1 where all share one. */
  readonly batch: number
  readonly heads: number
  /**
   * Row `(b * heads + h) * queryBlocks + i` holds runs `rowOffsets[row] .. rowOffsets[row + 1] - 1`.
   */
  readonly rowOffsets: Uint32Array
  /**
   * Two words a run, ascending within a row: the first key tile, and `2 * tiles + full` where `full`
   * is 1 if every pair of every tile is visible. A tile that reaches past the last key is never full,
   * so that a kernel needs no check at all inside full tiles. Words of 16 bits where they are wide
   * enough for every run, of 32 otherwise.
   */
  readonly runs: Uint16Array | Uint32Array
}

/** One run of neighbouring key tiles in a row of a block map. */
export interface TileRun {
  /** First key tile. */
  readonly start: number
  /** One past the last key tile. */
  readonly end: number
  /** Whether every pair in it is visible. */
  readonly full: boolean
}

/**
 * The runs of one row of query tiles, in ascending order.
 *
 * @example
 * ```ts
 * import { blockMapRow, denseBlockMap } from '@attn/core'
 * const shape = { batch: 1, heads: 1, queryLength: 64, keyLength: 96 }
 * const map = denseBlockMap(shape, { queryBlockSize: 32, keyBlockSize: 32 })
 * blockMapRow(map, 0, 0, 1) // => [{ start: 0, end: 3, full: true }]
 * ```
 */
export function blockMapRow(
  map: BlockMap,
  batch: number,
  head: number,
  queryBlock: number,
): TileRun[] {
  const outer = (map.batch === 1 ? 0 : batch) * map.heads + (map.heads === 1 ? 0 : head)
  const row = outer * map.queryBlocks + queryBlock
  const result: TileRun[] = []
  for (let run = map.rowOffsets[row]!; run < map.rowOffsets[row + 1]!; run++) {
    const start = map.runs[2 * run]!
    const packed = map.runs[2 * run + 1]!
    result.push({ start, end: start + (packed >>> 1), full: (packed & 1) === 1 })
  }
  return result
}

/**
 * Checks the size of a tile.
 *
 * @throws RangeError when a size is not a positive integer.
 */
export function checkBlockSizes(caller: string, sizes: BlockSizes): void {
  const { queryBlockSize, keyBlockSize } = sizes
  for (const [name, size] of Object.entries({ queryBlockSize, keyBlockSize })) {
    if (!Number.isInteger(size) || size < 1) {
      throw rangeError(`${caller}: ${name} must be a positive integer, got ${size}`)
    }
  }
}
