// Whether several workgroups share the rows of a gradient: where few rows meet many tokens, one for each row of
// tiles would leave most of a device idle. So it is with dQ in cross-attention of a few queries, and with dK
// and dV where there are a few keys: of a text's words that all pixels see, or those that sum up blocks in a
// sparse mask, once a pass brings them together.
import type { AttentionShape, TokenOrders } from '@attn/core'
import type { DeviceLimits } from '../../device/capabilities.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import type { SharedGradient } from '../../kernels/backward/sum-parts.wgsl.ts'

/** About as many workgroups as fill a large device. */
const enoughWorkgroups = 128
/** Tokens of a part that a row of tiles meets, at least: less work than the sum of one copy more would not pay. */
const leastTokens = 512
/** Bytes of all copies of a gradient, at most. */
const copyBudget = 2 ** 26

/** Whose rows a pass has, and in which slots they stand. */
export interface SharedRows {
  readonly rowTokens: 'queries' | 'keys'
  readonly orders: TokenOrders | undefined
}

/** The gradients of rows. */
export const gradientsOf = (rowTokens: SharedRows['rowTokens']): readonly SharedGradient[] =>
  rowTokens === 'queries' ? ['dQuery'] : ['dKey', 'dValue']

/** Shape of a copy of a gradient: in float32, and of a row for each slot. */
export function copyShape(
  { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }: AttentionShape,
  { orders }: SharedRows,
  name: SharedGradient,
): readonly [batch: number, heads: number, slots: number, dims: number] {
  return name === 'dQuery'
    ? [batch, heads, orders?.queryOrder?.slots ?? queryLength, headDim]
    : [batch, kvHeads, orders?.keyOrder?.slots ?? keyLength, name === 'dKey' ? headDim : valueDim]
}

/** Bytes of a copy. */
export function copyBytes(shape: AttentionShape, rows: SharedRows, name: SharedGradient): number {
  const sizes = copyShape(shape, rows, name)
  return sizes.reduce((product, size) => product * size, elementBytes('float32'))
}

/**
 * Workgroups for each row of tiles.
 *
 * @param limits - The copies are bound whole, and parts lie along the dispatch's dimension of sequences.
 */
export function gradientParts(
  shape: AttentionShape,
  pass: SharedRows & {
    readonly kernel: { readonly tile: { readonly rows: number; readonly columns: number } }
    readonly rowTiles: number
    /** Without one rows meet all tokens. */
    readonly packedMap: Pick<PackedBlockMap, 'visited' | 'rowTiles'> | undefined
    /** Operations for each pair of tokens. */
    readonly pairOperations: number
  },
  limits: Pick<DeviceLimits, 'maxStorageBufferBindingSize' | 'maxComputeWorkgroupsPerDimension'>,
  workBudget: number,
): number {
  const { batch, heads, kvHeads, queryLength, keyLength } = shape
  const columns = pass.packedMap
    ? (pass.packedMap.visited / pass.packedMap.rowTiles.length) * pass.kernel.tile.columns
    : pass.rowTokens === 'queries'
      ? keyLength
      : queryLength
  if (columns === 0) return 1
  const planes = batch * (pass.rowTokens === 'queries' ? heads : kvHeads)
  // Where the work is cut into several dispatches, half by half and one after the other, each has a share of the
  // workgroups.
  const { tile } = pass.kernel
  const rows = pass.rowTiles * tile.rows
  const work = batch * heads * rows * columns * pass.pairOperations
  const dispatches = 2 ** Math.max(0, Math.ceil(Math.log2(work / workBudget)))
  const workgroups = (planes * pass.rowTiles) / dispatches
  // Those of the longest row are still at work when others are done: it takes more of them.
  const longest = pass.packedMap
    ? pass.packedMap.rowTiles.reduce((most, tiles) => Math.max(most, tiles), 0) * tile.columns
    : columns
  const budget = Math.min(copyBudget, limits.maxStorageBufferBindingSize)
  const largest = Math.max(
    ...gradientsOf(pass.rowTokens).map((name) => copyBytes(shape, pass, name)),
  )
  return Math.max(
    1,
    Math.min(
      Math.ceil((enoughWorkgroups * longest) / columns / workgroups),
      Math.floor(columns / Math.max(leastTokens, pass.kernel.tile.columns)),
      Math.floor(budget / largest),
      Math.floor(limits.maxComputeWorkgroupsPerDimension / batch),
    ),
  )
}
