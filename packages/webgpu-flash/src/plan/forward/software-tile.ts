// The tile for GPUs imitated in software, whose threads are lanes of a CPU: a barrier and a word of
// workgroup memory cost more there than registers, so few threads with large parts win.
import type { AttentionShape } from '@attn/core'
import { defaultLimits } from '../../device/capabilities.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { isSoftware } from '../../device/software.ts'
import type { ForwardTile } from './tiles.ts'

/** In SwiftShader 2.0 times as fast as 32 by 64 in 128 threads, 1.4 times as 64 by 32. */
const fewThreads: ForwardTile = {
  queries: 32,
  keys: 32,
  threadRows: 4,
  threadColumns: 4,
  dimChunk: 32,
  valueChunk: 32,
}
/** For all else: little text, which is compiled in a fraction of a second. */
const shortText: ForwardTile = {
  queries: 64,
  keys: 32,
  threadRows: 16,
  threadColumns: 8,
  dimChunk: 16,
  valueChunk: 16,
}

/** The same without loops over chunks, whose barriers cost Mesa's lavapipe as much again to compile. */
const whole: ForwardTile = { ...shortText, dimChunk: 32, valueChunk: 32 }
const wholeDims = 32
const wholeRows = 17

/**
 * The first tile's shader takes a second longer to compile, which shorter calls do not win back. Where a tile
 * holds the whole head, it takes four or five calls of so many pairs on SwiftShader, ten to twenty on lavapipe.
 */
const leastPairs = { whole: 2 ** 22, chunked: 2 ** 20 }
const mostDims = 64

/** The tile; undefined on real GPUs, and for few rows or wide values. */
export function softwareTile(
  shape: AttentionShape,
  capabilities: Capabilities,
): ForwardTile | undefined {
  const { batch, heads, queryLength, keyLength, valueDim } = shape
  const pairs = batch * heads * queryLength * keyLength
  if (pairs < leastPairs.whole && wholeTileFits(queryLength, shape, capabilities)) return whole
  if (!isSoftware(capabilities) || queryLength < 32 || valueDim > mostDims) return undefined
  return pairs < leastPairs.chunked ? shortText : fewThreads
}

/**
 * Whether a tile of 64 rows by 32 tokens that holds all dims of a head suits so many rows. Where there is no more
 * workgroup memory than every device has, software adapters keep the tiles that GPUs have there, so that these are tried.
 */
export function wholeTileFits(
  rows: number,
  { headDim, valueDim }: Pick<AttentionShape, 'headDim' | 'valueDim'>,
  capabilities: Capabilities,
): boolean {
  const narrow = Math.max(headDim, valueDim) <= wholeDims
  const bytes = capabilities.limits.maxComputeWorkgroupStorageSize
  const room = bytes > defaultLimits.maxComputeWorkgroupStorageSize
  return isSoftware(capabilities) && narrow && rows >= wholeRows && room
}
