// How long visible tiles take, estimated: what chooses among tiles of one kernel for a mask. On subgroup matrices fewer
// queries a tile mean fewer pairs that are computed and hidden, and tiles that a mask hides no part of; yet subgroups
// with fewer rows load keys for fewer products, and more workgroups begin.
import { blockMapStatistics } from '@attn/core'
import type { BlockMap } from '@attn/core'
import type { MatrixTile } from './matrix-tile.ts'

/** A share of partial tiles below which smaller tiles cannot be faster. */
const fewPartial = 0.1

/** Whether smaller tiles may save anything: where few are partial none saves what it takes, and maps take time to make. */
export function hasManyPartial(maps: readonly BlockMap[]): boolean {
  const counts = maps.map(blockMapStatistics)
  const partial = counts.reduce((sum, count) => sum + count.partial, 0)
  return partial > fewPartial * counts.reduce((sum, count) => sum + count.visited, 0)
}

/** Pairs in visited tiles, a head. */
export function pairsOfTiles(
  { queries, keys }: { readonly queries: number; readonly keys: number },
  maps: readonly BlockMap[],
): number {
  return maps.reduce((sum, map) => {
    return sum + (blockMapStatistics(map).visited * queries * keys) / (map.batch * map.heads)
  }, 0)
}

/**
 * What a tile takes that a mask hides a part of, in full tiles, where every pair is asked and where keys are compared with
 * the ends of a row: of a window of 1,024 at 65,536 tokens with and without its mask, on an NVIDIA H200.
 */
const askedTile = 1.8
const comparedTile = 1.1
/** What a workgroup takes before its first tile, in keys: fitted there. */
const keysOfBeginning = 128
/** What subgroups of fewer rows take, of 16 against 32: measured there, between 1.14 (D = 64) and 1.25. */
const fewRows = 1.2
const manyRows = 32
/** Subgroups that hide one another's waiting, as many as an NVIDIA H200 runs side by side with the fastest tiles. */
const hidingSubgroups = 8

/**
 * Tiles, in the pairs of full ones, times what slows a tile down.
 *
 * @param asksPairs - Whether every pair of a partial tile is asked.
 */
export function maskedCost(
  { queries, keys, rowBlocks, matrix, subgroups }: MatrixTile,
  maps: readonly BlockMap[],
  asksPairs: boolean,
  workgroupsAtOnce: number,
): number {
  const partialTile = asksPairs ? askedTile : comparedTile
  const tiles = maps.reduce((sum, map) => {
    const { full, partial } = blockMapStatistics(map)
    const begun = (map.batch * map.heads * map.queryBlocks * keysOfBeginning) / keys
    return sum + (full + partial * partialTile + begun) / (map.batch * map.heads)
  }, 0)
  const slower = rowBlocks * matrix.rows < manyRows ? fewRows : 1
  const waiting = Math.max(1, hidingSubgroups / (subgroups * workgroupsAtOnce))
  return tiles * queries * keys * slower * waiting
}
