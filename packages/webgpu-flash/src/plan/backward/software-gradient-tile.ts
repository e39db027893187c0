// The tile of gradients for GPUs imitated in software, where a shader takes longer to compile than most calls to run.
import type { AttentionShape } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { wholeTileFits } from '../forward/software-tile.ts'
import { wholeTile } from './backward-tiles.ts'
import type { BackwardTile, GradientRows } from './backward-tile.ts'

/**
 * The tile; undefined on real GPUs, for few rows of the gradient, and for wide heads. Each barrier costs compile time:
 * Mesa's lavapipe compiles both kernels of 16 dims in two thirds of the time that those with chunks take, of 20 to 32
 * dims in two fifths.
 */
export function softwareGradientTile(
  gradients: GradientRows,
  shape: AttentionShape,
  capabilities: Capabilities,
): BackwardTile | undefined {
  const rows = gradients === 'query' ? shape.queryLength : shape.keyLength
  return wholeTileFits(rows, shape, capabilities) ? wholeTile : undefined
}
