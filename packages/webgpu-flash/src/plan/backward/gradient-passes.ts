// The two kernels of a backward pass as data: dQ by rows of queries, dK and dV by rows of keys, each in plain
// WGSL or on subgroup matrices, with its tiles and its block map.
import type { BlockMap, TokenOrders } from '@attn/core'
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import type { OrderChoice } from './gradient-orders.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import type { TileOrigin } from '../tuning.ts'
import type { BackwardMemory, BackwardTile } from './backward-tiles.ts'
import type { GradientMatrixMemory, GradientMatrixTile } from './gradient-matrix-tile.ts'
import type { SplitMatrixMemory, SplitMatrixTile } from './split-matrix-tile.ts'

/** What the kernels of either kind have in common. */
export interface PassOfRows {
  readonly rowTokens: 'queries' | 'keys'
  /** Where the tile comes from. */
  readonly tileOrigin: TileOrigin
  readonly rules: GradientRules
  /** Tiles along both axes. */
  readonly rowTiles: number
  readonly columnTiles: number
  /** Undefined where all tiles are visited. Its rows are this kernel's rows. */
  readonly blockMap: BlockMap | undefined
  readonly packedMap: PackedBlockMap | undefined
  /** Word of `data` at which the packed map begins. */
  readonly mapBase: number
  /** The orders that the tokens of this pass stand in. Default: natural. */
  readonly orders: TokenOrders | undefined
  /** Whether it adds to what an earlier pass of the same gradient wrote. */
  readonly continues: boolean
  /**
   * Workgroups that share each row of tiles, with a part of the columns each: more than one where few rows
   * meet many tokens. Each sums into a copy of its own.
   */
  readonly parts: number
  /** Products of two tiles: S, dP and dQ, or S, dP, dV and dK. Operations for each pair of tokens. */
  readonly pairOperations: number
}

/** A kernel in plain WGSL. */
export interface TiledPass extends PassOfRows {
  readonly kind: 'tiled'
  readonly tile: BackwardTile
  readonly memory: BackwardMemory
  /** Whether a tile of two teams suits the call. */
  readonly teams: boolean
  /** Why it is not one on subgroup matrices. */
  readonly why: string
}

/** A kernel on subgroup matrices. */
export interface MatrixPass extends PassOfRows {
  readonly kind: 'subgroup-matrix'
  readonly tile: GradientMatrixTile
  readonly memory: GradientMatrixMemory
}

/** A kernel on subgroup matrices that multiplies float32 as three products of float16. */
export interface SplitPass extends PassOfRows {
  readonly kind: 'split-matrix'
  readonly tile: SplitMatrixTile
  readonly memory: SplitMatrixMemory
  /** The kernel of heads whose rows cannot be split, in natural order: beside the first pass. */
  readonly unsplit: TiledPass | undefined
}

/** One pass of one of the two kernels. */
export type GradientPass = TiledPass | MatrixPass | SplitPass

/** The passes of a gradient, one after the other. */
export interface GradientPasses {
  readonly passes: readonly [GradientPass, ...GradientPass[]]
  /** What the planner made of the orders that a mask proposes; undefined where it proposes none. */
  readonly choice: OrderChoice | undefined
  /** Whether all rows begin as zeros, since no pass writes every one of them. */
  readonly fromZeros: boolean
  /**
   * Whether they add up in float32 totals, which are rounded once, since several dispatches or passes add to
   * gradients of fewer bits: as contiguous tensors are cut.
   */
  readonly totals: boolean
}
