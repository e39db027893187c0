// What decides the text of the forward kernels on subgroup matrices.
import type { MatrixMemory, MatrixTile } from '../../../plan/forward/matrix-tile.ts'
import type { PassConfig } from '../forward-config.ts'

/** All that decides the text of the kernel. */
export interface ForwardMatrixConfig extends PassConfig {
  readonly tile: MatrixTile
  readonly memory: MatrixMemory
  /** Whether all tiles are visited and full: no mask, no padding, and keys a multiple of the tile's. */
  readonly wholeTiles: boolean
  /** The variable that makes scores of products. Default: `scale`. */
  readonly scoreScale?: string
  /** Whether all numbers are known to be finite. Default: false. */
  readonly finite?: boolean
}
