// The backward pass of rows as data: dQ by rows of queries, dK and dV by rows of keys, each by a kernel of its own in
// one or several passes.
import type { BlockMap, TokenOrders } from '@attn/core'
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import type { GradientKernel, TiledGradient } from './gradient-kernel.ts'
import type { OrderChoice } from './gradient-orders.ts'

/** One pass of a kernel over the rows of a gradient. */
export interface GradientPass<Kernel extends GradientKernel = GradientKernel> {
  readonly rowTokens: 'queries' | 'keys'
  readonly kernel: Kernel
  readonly rules: GradientRules
  /** Tiles along both axes. */
  readonly rowTiles: number
  readonly columnTiles: number
  /** Undefined where all tiles are visited. Its rows are this kernel's rows. */
  readonly blockMap: BlockMap | undefined
  readonly packedMap: PackedBlockMap | undefined
  /** Word of `data` at which the packed map begins. */
  readonly mapBase: number
  /**
   * Whether its longest rows begin first, so that none is at work when the others are done. Rows in an order of their own are
   * taken as they stand where no one of them is much of the work: neighbours visit the same tokens, which lie far apart.
   */
  readonly longestFirst: boolean
  /** The orders that its tokens stand in; undefined for natural ones. */
  readonly orders: TokenOrders | undefined
  /** Whether it adds to what an earlier pass of the same gradient wrote. */
  readonly continues: boolean
  /**
   * Workgroups that share each row of tiles, with a part of the columns each: more than one where few rows
   * meet many tokens. Each sums into a copy of its own.
   */
  readonly parts: number
  /** Rows of tiles that a workgroup has, one after the other: several of heads that are left out. */
  readonly rowsInTurn: number
  /** Products of two tiles: S, dP and dQ, or S, dP, dV and dK. Operations for each pair of tokens. */
  readonly pairOperations: number
}

/** How the gradients of rows are computed. */
export interface GradientPasses {
  readonly rowTokens: 'queries' | 'keys'
  readonly kernel: GradientKernel
  /** Its passes, one after the other. */
  readonly passes: readonly [GradientPass, ...GradientPass[]]
  /** Those of the kernel in plain WGSL over heads that it leaves out; none where there are no such heads. */
  readonly leftOut: readonly GradientPass<TiledGradient>[]
  /** What the planner made of the orders that a mask proposes; undefined where it proposes none. */
  readonly choice: OrderChoice | undefined
  /** Whether all rows begin as zeros, since no pass writes every one of them. */
  readonly fromZeros: boolean
  /**
   * Whether they add up in float32 totals, which are rounded once, since several dispatches or passes add to
   * gradients of fewer bits: as contiguous tensors are cut.
   */
  readonly totals: boolean
  /** Whether the last pass rounds them: it goes on with the totals and writes the gradients. */
  readonly finishes: boolean
}
