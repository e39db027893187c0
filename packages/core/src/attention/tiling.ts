// How the score matrix is cut into tiles, and which of them there are to visit: all of them, or
// those of a block map (block-sparse FlashAttention, arXiv 2205.14135 algorithm 5).
import type { OptionNames } from '../check-options.ts'
import { shapeError, typeError } from '../errors.ts'
import { blockMapRow, checkBlockSizes } from '../sparsity/block-map.ts'
import type { BlockMap, BlockSizes } from '../sparsity/block-map.ts'
import type { AttentionShape, ResolvedAttention } from './options.ts'
import type { ResolvedSequences } from './packed-sequences.ts'
import type { TileEvent } from './trace.ts'

/** What decides the order of work of a tiled algorithm, but not its result. */
export interface TilingOptions {
  /** Rows of a query tile. Default: that of the block map, else 64. */
  readonly queryBlockSize?: number | undefined
  /** Rows of a key tile. Default: that of the block map, else 64. */
  readonly keyBlockSize?: number | undefined
  /**
   * Which tiles to visit; made for the same mask, lengths and query offset. Tiles that it lacks are
   * hidden, tiles that it calls full skip the mask. Default: all tiles; of packed sequences, those
   * that hold keys of a sequence which is in their queries.
   */
  readonly blockMap?: BlockMap | undefined
  /** Called for every tile loaded and stored. */
  readonly trace?: ((event: TileEvent) => void) | undefined
}

/** Their names. */
export const tilingOptions: OptionNames<TilingOptions> = {
  queryBlockSize: true,
  keyBlockSize: true,
  blockMap: true,
  trace: true,
}

/** One tile in a row or a column of tiles. */
export interface Tile {
  /** Its place along the other axis. */
  readonly block: number
  /** Whether every pair in it is visible, so that the mask need not be asked. */
  readonly full: boolean
}

/** Which rectangle of the score matrix of one head a tile is. */
export interface TileRegion {
  readonly batch: number
  readonly head: number
  /** Rows `queryStart .. queryStart + rows - 1` of the query tensor. */
  readonly queryStart: number
  readonly rows: number
  /** Rows `keyStart .. keyStart + columns - 1` of the key tensor. */
  readonly keyStart: number
  readonly columns: number
  /** Whether the mask allows every pair in it. */
  readonly full: boolean
}

/** A score matrix cut into tiles. */
export interface Tiling {
  readonly queryBlockSize: number
  readonly keyBlockSize: number
  /** Tiles along the query axis. */
  readonly queryBlocks: number
  /** Tiles along the key axis that hold keys of this sequence. */
  keyBlocks(batch: number): number
  /** Key tiles of one row of tiles, ascending. */
  keyTiles(batch: number, head: number, queryBlock: number): readonly Tile[]
  /** Query tiles of one column of tiles, ascending. */
  queryTiles(batch: number, head: number, keyBlock: number): readonly Tile[]
  /** Where a tile lies; the last of an axis may be smaller. */
  region(
    batch: number,
    head: number,
    queryBlock: number,
    keyBlock: number,
    full: boolean,
  ): TileRegion
}

/**
 * Fills in and checks how a call is tiled.
 *
 * @throws RangeError for block sizes that are not positive integers and for a block map of other
 *   sizes; TypeError for a block map of another kind.
 */
export function resolveTiling(
  caller: string,
  shape: AttentionShape,
  resolved: ResolvedAttention,
  options: TilingOptions,
): Tiling {
  const { blockMap: map } = options
  if (map !== undefined && map.kind !== 'blockMap') {
    throw typeError(`${caller}: blockMap must be made by createBlockMap(), got ${typeof map}`)
  }
  const { queryBlockSize = map?.queryBlockSize ?? 64, keyBlockSize = map?.keyBlockSize ?? 64 } =
    options
  checkBlockSizes(caller, { queryBlockSize, keyBlockSize })
  if (map) checkBlockMap(caller, shape, map, queryBlockSize, keyBlockSize)
  const queryBlocks = Math.ceil(shape.queryLength / queryBlockSize)
  const keyBlocks = (batch: number): number => Math.ceil(resolved.keyLengths[batch]! / keyBlockSize)
  const region: Tiling['region'] = (batch, head, queryBlock, keyBlock, full) => {
    const queryStart = queryBlock * queryBlockSize
    const keyStart = keyBlock * keyBlockSize
    const rows = Math.min(queryBlockSize, shape.queryLength - queryStart)
    const columns = Math.min(keyBlockSize, resolved.keyLengths[batch]! - keyStart)
    return { batch, head, queryStart, rows, keyStart, columns, full }
  }
  const sizes = { queryBlockSize, keyBlockSize, queryBlocks, keyBlocks, region }
  if (!map && resolved.sequences) {
    const ranges = keyTilesOfSequences(resolved.sequences, queryBlocks, sizes)
    return {
      ...sizes,
      keyTiles: (_batch, _head, queryBlock) => {
        const { start, end } = ranges[queryBlock]!
        return denseTiles(end, start)
      },
      queryTiles: (_batch, _head, keyBlock) =>
        denseTiles(queryBlocks).filter(
          ({ block }) => ranges[block]!.start <= keyBlock && keyBlock < ranges[block]!.end,
        ),
    }
  }
  if (!map) {
    return {
      ...sizes,
      keyTiles: (batch) => denseTiles(keyBlocks(batch)),
      queryTiles: () => denseTiles(queryBlocks),
    }
  }
  return {
    ...sizes,
    keyTiles: (batch, head, queryBlock) => {
      const end = keyBlocks(batch)
      return blockMapRow(map, batch, head, queryBlock).flatMap((run) =>
        denseTiles(Math.min(run.end, end), run.start, run.full),
      )
    },
    queryTiles: (batch, head, keyBlock) =>
      denseTiles(queryBlocks).flatMap(({ block }) => {
        const run = blockMapRow(map, batch, head, block).find(
          ({ start, end }) => start <= keyBlock && keyBlock < end,
        )
        return run ? [{ block, full: run.full }] : []
      }),
  }
}

/** The key tiles that hold keys of the sequences in each row of tiles. */
function keyTilesOfSequences(
  sequences: ResolvedSequences,
  queryBlocks: number,
  { queryBlockSize, keyBlockSize }: BlockSizes,
): readonly { readonly start: number; readonly end: number }[] {
  const { cumulativeQueryLengths, cumulativeKeyLengths, keyLengths } = sequences
  const ranges = Array.from({ length: queryBlocks }, () => ({ start: Infinity, end: 0 }))
  keyLengths.forEach((keys, sequence) => {
    const first = cumulativeQueryLengths[sequence]!
    const last = cumulativeQueryLengths[sequence + 1]! - 1
    if (keys === 0 || last < first) return
    const firstKey = cumulativeKeyLengths[sequence]!
    const end = Math.ceil((firstKey + keys) / keyBlockSize)
    const lastBlock = Math.floor(last / queryBlockSize)
    for (let block = Math.floor(first / queryBlockSize); block <= lastBlock; block++) {
      const range = ranges[block]!
      range.start = Math.min(range.start, Math.floor(firstKey / keyBlockSize))
      range.end = Math.max(range.end, end)
    }
  })
  return ranges
}

function denseTiles(end: number, start = 0, full = false): Tile[] {
  const tiles: Tile[] = []
  for (let block = start; block < end; block++) tiles.push({ block, full })
  return tiles
}

function checkBlockMap(
  caller: string,
  shape: AttentionShape,
  map: BlockMap,
  queryBlockSize: number,
  keyBlockSize: number,
): void {
  const { queryLength, keyLength } = shape
  const fits = (name: string, expected: number, got: number): void => {
    if (expected !== got) {
      throw shapeError(
        `${caller}: the block map was made for ${name}=${got}, but the call has ${name}=${expected}`,
      )
    }
  }
  fits('queryLength', queryLength, map.queryLength)
  fits('keyLength', keyLength, map.keyLength)
  fits('queryBlockSize', queryBlockSize, map.queryBlockSize)
  fits('keyBlockSize', keyBlockSize, map.keyBlockSize)
  if (map.batch !== 1) fits('batch', shape.batch, map.batch)
  if (map.heads !== 1) fits('heads', shape.heads, map.heads)
}
