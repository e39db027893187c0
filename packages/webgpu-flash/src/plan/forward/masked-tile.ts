// The tile on subgroup matrices that suits a mask. Fewer queries a tile mean fewer pairs that are computed and
// hidden, and tiles that a mask hides no part of; yet subgroups with fewer rows load keys for fewer products, and
// more workgroups begin.
import { blockMapStatistics } from '@attn/core'
import type { BlockMap } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import type { Call } from '../call.ts'
import { blockSizes } from '../visibility.ts'
import { asForwardTile } from './choose-forward-tile.ts'
import { matrixMemory, matrixTiles } from './matrix-tile.ts'
import type { MatrixTile } from './matrix-tile.ts'
import { choosePasses } from './passes.ts'
import type { PassChoice } from './passes.ts'
import type { ForwardTile } from './tiles.ts'

/** What a tile takes that a mask hides a part of, in full tiles: every pair is asked. Fitted on an NVIDIA H200. */
const partialTile = 2
/** A share of partial tiles below which smaller tiles cannot be faster. */
const fewPartial = 0.1
/** What a workgroup takes before its first tile, in keys: fitted there. */
const keysOfBeginning = 128
/** What subgroups of fewer rows take, of 16 against 32: measured there, between 1.14 (D = 64) and 1.25. */
const fewRows = 1.2
const manyRows = 32
/** Subgroups that hide one another's waiting, as many as an NVIDIA H200 runs side by side with the fastest tiles. */
const hidingSubgroups = 8

/** Tiles, in the pairs of full ones, times what slows a tile down. */
function maskedCost(
  { queries, keys, rowBlocks, matrix, subgroups }: MatrixTile,
  maps: readonly BlockMap[],
  workgroupsAtOnce: number,
): number {
  const tiles = maps.reduce((sum, map) => {
    const { full, partial } = blockMapStatistics(map)
    const begun = (map.batch * map.heads * map.queryBlocks * keysOfBeginning) / keys
    return sum + (full + partial * partialTile + begun) / (map.batch * map.heads)
  }, 0)
  const slower = rowBlocks * matrix.rows < manyRows ? fewRows : 1
  const waiting = Math.max(1, hidingSubgroups / (subgroups * workgroupsAtOnce))
  return tiles * queries * keys * slower * waiting
}

/** A tile, and what is visible in tiles of its size. */
export interface TileArrangement {
  readonly tile: ForwardTile
  /** Undefined for the kernel in plain WGSL. */
  readonly matrix: MatrixTile | undefined
  readonly blockMap: BlockMap | undefined
  readonly passChoice: PassChoice | undefined
}

/**
 * The tile that was chosen, or a smaller one on subgroup matrices that suits the mask better.
 *
 * @param ordered - Whether tokens may stand in the orders that the mask proposes.
 */
export function arrangeTiles(
  call: Call,
  ordered: boolean,
  chosen: Pick<TileArrangement, 'tile' | 'matrix'>,
  capabilities: Capabilities,
): TileArrangement {
  const { shape, dtype, attention } = call
  const first = arrange(call, ordered, chosen, capabilities)
  if (!chosen.matrix || !attention.mask || !isWorthAsking(mapsOf(first))) return first
  const smaller = matrixTiles(shape, capabilities, dtype)
    .slice(1)
    .map((matrix) =>
      arrange(call, ordered, { tile: asForwardTile(matrix, shape.headDim), matrix }, capabilities),
    )
  const costOf = (arrangement: TileArrangement): number => {
    const { matrix } = arrangement
    // All workgroups of a multiprocessor share about as much memory as one may have.
    const { bytes } = matrixMemory(matrix!, shape.headDim, shape.valueDim)
    const { maxComputeWorkgroupStorageSize: most } = capabilities.limits
    return maskedCost(matrix!, mapsOf(arrangement), Math.max(1, Math.floor(most / bytes)))
  }
  return smaller.reduce((best, one) => (costOf(one) < costOf(best) ? one : best), first)
}

/** The maps of the passes that a mask is computed in. */
function mapsOf({ blockMap, passChoice }: TileArrangement): readonly BlockMap[] {
  const inOrder = !passChoice || passChoice.chosen === 0
  return inOrder ? [blockMap!] : passChoice.sparsity.passes.map((pass) => pass.blockMap)
}

/** Where few tiles are partial none that is smaller saves what it takes, and maps take time to make. */
function isWorthAsking(maps: readonly BlockMap[]): boolean {
  const counts = maps.map(blockMapStatistics)
  const partial = counts.reduce((sum, count) => sum + count.partial, 0)
  return partial > fewPartial * counts.reduce((sum, count) => sum + count.visited, 0)
}

function arrange(
  call: Call,
  ordered: boolean,
  { tile, matrix }: Pick<TileArrangement, 'tile' | 'matrix'>,
  capabilities: Capabilities,
): TileArrangement {
  const passChoice = ordered ? choosePasses(call, tile, capabilities) : undefined
  const blockMap = passChoice?.sparsity.natural ?? call.visibility.blockMap(blockSizes(tile))
  return { tile, matrix, blockMap, passChoice }
}
