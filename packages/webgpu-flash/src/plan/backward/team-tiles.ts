// Tiles of the backward kernels whose threads form two teams (kernels/tile/team-products.ts), and which
// calls they are for. They are large, and the estimate of tile-cost.ts knows nothing of teams: where a
// device has room for one and the call suits it, it comes first.
import type { AttentionShape } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { softwareGradientTile } from './software-gradient-tile.ts'
import { backwardTileProblem, rankedBackwardTiles } from './backward-tiles.ts'
import type { BackwardTile, GradientRows } from './backward-tile.ts'
import type { Call } from '../call.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import type { WorkgroupLimits } from '../forward/tiles.ts'

const team = (columns: number, threadColumns: number, sourceChunk: number, parts: 2 | 4) =>
  ({
    rows: 64,
    columns,
    threadRows: 8,
    threadColumns,
    dimChunk: 8,
    sourceChunk,
    teams: 2,
    parts,
  }) as const satisfies BackwardTile

/** Fastest on an NVIDIA H200, by the widest head they are for. Up to 32 dims one team is faster. */
const teamTiles: readonly {
  readonly width: number
  readonly query: BackwardTile
  readonly key: BackwardTile
}[] = [
  { width: 64, query: team(128, 16, 16, 2), key: team(128, 16, 8, 2) },
  { width: 128, query: team(128, 16, 8, 2), key: team(128, 16, 4, 2) },
  { width: 256, query: team(128, 32, 8, 4), key: team(128, 32, 4, 4) },
]

/**
 * A tile for two teams, where the device has room for it: as much workgroup memory as GPUs of the kind
 * that it was measured on.
 */
export function chooseTeamTile(
  gradients: GradientRows,
  shape: Pick<AttentionShape, 'headDim' | 'valueDim'>,
  limits: WorkgroupLimits,
): BackwardTile | undefined {
  const widest = Math.max(shape.headDim, shape.valueDim)
  if (widest <= 32 || limits.maxComputeWorkgroupStorageSize < 48 * 1024) return undefined
  const tile = teamTiles.find(({ width }) => widest <= width)?.[gradients]
  const fits = tile && backwardTileProblem(tile, shape, limits, gradients) === undefined
  return fits ? tile : undefined
}

/**
 * The candidates of a kernel, from the one likely to be the fastest.
 *
 * @param teams - Whether the call suits two teams.
 */
export function gradientTiles(
  gradients: GradientRows,
  shape: AttentionShape,
  capabilities: Capabilities,
  teams: boolean,
): BackwardTile[] {
  const { limits } = capabilities
  const ranked = rankedBackwardTiles(gradients, shape, limits)
  const large = teams ? chooseTeamTile(gradients, shape, limits) : undefined
  const first = softwareGradientTile(gradients, shape, capabilities) ?? large
  return first ? [first, ...ranked.filter((tile) => tile !== first)] : ranked
}

/** What a call asks of the threads besides products: for each pair, of which a team's thread has more. */
export interface PairWork {
  /** Whether scores change by slopes that are not all 1. */
  readonly slopes: boolean
  /** Whether gradients of tables are summed. */
  readonly tables: boolean
}

/**
 * Whether two teams are likely to be faster than one.
 *
 * @param map - Of the forward pass; undefined where it visits all tiles, or tokens in orders.
 */
export function suitsTeams(
  { shape, attention, dtype }: Call,
  map: Pick<PackedBlockMap, 'full' | 'visited'> | undefined,
  { slopes, tables }: PairWork,
): boolean {
  const { queryLength, keyLength, headDim, valueDim } = shape
  const large = Math.min(queryLength, keyLength) > 64
  // Where few tiles are full, larger ones would hold many more pairs that nobody sees.
  const dense = !map || 2 * map.full >= map.visited
  // Measured: float16 of 64 dims is slower with two teams.
  const wide = dtype === 'float32' || Math.max(headDim, valueDim) > 64
  return large && dense && wide && !attention.dropout && !slopes && !tables
}
