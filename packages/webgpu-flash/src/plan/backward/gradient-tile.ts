// Tiles that a caller may choose for the backward pass: for measuring.
import type { BackwardTile } from './backward-tile.ts'
import type { GradientMatrixTile } from './gradient-matrix-tile.ts'
import type { SplitMatrixTile } from './split-matrix-tile.ts'

/** The tile of a kernel of any kind. */
export type GradientTile = BackwardTile | GradientMatrixTile | SplitMatrixTile

/** Tiles to use instead of the planner's choice: for measuring. */
export interface BackwardTiles {
  /** Of the kernel that computes dQ; rows are queries. */
  readonly query?: GradientTile | undefined
  /** Of the kernel that computes dK and dV; rows are keys. */
  readonly key?: GradientTile | undefined
}
