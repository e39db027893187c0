// Which of its tiles a gradient's kernel has, by how many tokens its rows meet: known once the orders are that tokens
// stand in.
import { blockMapStatistics } from '@attn/core'
import type { BlockMap } from '@attn/core'
import type { Call } from '../call.ts'
import { blockSizes } from '../visibility.ts'
import type { GradientKernel } from './gradient-kernel.ts'
import type { OrderChoice } from './gradient-orders.ts'
import { tokenTile } from './token-tile.ts'
import type { GradientPass } from './gradient-passes.ts'

/**
 * Tokens of a row that are few. On an NVIDIA H200 the passes of strided attention, whose rows meet some 290, take an eighth
 * less with half the rows a workgroup; in float16 those of a window of 1,024 tokens 3 % more, of causal attention an eighth.
 */
const fewTokens = 512

/** What the reason for a kernel says of its tile. */
export const fewTokensReason =
  '; of rows that meet few tokens: a device has two workgroups of this size at a time'

/** The kernel, or its form for few tokens where rows meet no more in any of the passes. */
export function kernelByTokens(
  { visibility }: Call,
  rowTokens: GradientPass['rowTokens'],
  kernel: GradientKernel,
  choice: OrderChoice | undefined,
): GradientKernel {
  if (kernel.kind === 'tiled' || !kernel.ofFewTokens) return kernel
  const natural = (): BlockMap | undefined =>
    visibility.blockMap(blockSizes(tokenTile(rowTokens, kernel.tile)))
  const maps = choice?.passes?.map(({ blockMap }) => blockMap) ?? [natural()]
  const isFew = (map: BlockMap | undefined): boolean =>
    map !== undefined && tokensOfRow(map, rowTokens) <= fewTokens
  return maps.every(isFew) ? kernel.ofFewTokens : kernel
}

/** Tokens that a row of tiles meets, on average. */
function tokensOfRow(map: BlockMap, rowTokens: GradientPass['rowTokens']): number {
  const { batch, heads, queryBlocks, keyBlocks, queryBlockSize, keyBlockSize } = map
  const { visited } = blockMapStatistics(map)
  return rowTokens === 'queries'
    ? (visited * keyBlockSize) / (batch * heads * queryBlocks)
    : (visited * queryBlockSize) / (batch * heads * keyBlocks)
}
