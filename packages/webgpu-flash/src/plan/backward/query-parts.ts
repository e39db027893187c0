// Whether several workgroups share the rows of dQ: where few rows meet many keys, one for each row of tiles
// would leave most of a device idle (cross-attention of a few queries, one head of a short sequence).
import type { AttentionShape } from '@attn/core'
import type { DeviceLimits } from '../../device/capabilities.ts'
import { elementBytes } from '../../gpu-tensor.ts'

/** About as many workgroups as fill a large device. */
const enoughWorkgroups = 128
/** Tokens of a part, at least: less work than the sum of one copy more would not pay. */
const leastKeys = 512
/** Bytes of all copies, at most. */
const copyBudget = 2 ** 26

/** Bytes of a copy of dQ: in float32. */
export function copyBytes({ batch, heads, queryLength, headDim }: AttentionShape): number {
  return elementBytes('float32') * batch * heads * queryLength * headDim
}

/**
 * Workgroups for each row of tiles.
 *
 * @param limits - The copies are bound whole, and parts lie along the dispatch's dimension of sequences.
 */
export function queryParts(
  shape: AttentionShape,
  tile: { readonly rows: number; readonly columns: number },
  limits: Pick<DeviceLimits, 'maxStorageBufferBindingSize' | 'maxComputeWorkgroupsPerDimension'>,
): number {
  const { batch, heads, queryLength, keyLength } = shape
  const workgroups = batch * heads * Math.ceil(queryLength / tile.rows)
  const budget = Math.min(copyBudget, limits.maxStorageBufferBindingSize)
  return Math.max(
    1,
    Math.min(
      Math.ceil(enoughWorkgroups / workgroups),
      Math.floor(keyLength / Math.max(leastKeys, tile.columns)),
      Math.floor(budget / copyBytes(shape)),
      Math.floor(limits.maxComputeWorkgroupsPerDimension / batch),
    ),
  )
}
