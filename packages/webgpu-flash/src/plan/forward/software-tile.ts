// The tile for GPUs imitated in software, whose threads are lanes of a CPU: a barrier and a word of
// workgroup memory cost more there than registers, so few threads with large parts win.
import type { AttentionShape } from '@attn/core'
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

/** The first tile's shader takes a second longer to compile, which shorter calls do not win back. */
const leastPairs = 2 ** 20
const mostDims = 64

/** The tile; undefined on real GPUs, and for few rows or wide values. */
export function softwareTile(
  { batch, heads, queryLength, keyLength, valueDim }: AttentionShape,
  capabilities: Capabilities,
): ForwardTile | undefined {
  if (!isSoftware(capabilities) || queryLength < 32 || valueDim > mostDims) return undefined
  return batch * heads * queryLength * keyLength < leastPairs ? shortText : fewThreads
}
