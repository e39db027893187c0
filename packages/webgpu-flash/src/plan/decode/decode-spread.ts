// How rows and keys of a call are spread over workgroups: rows in tiles, keys in parts, whose results are merged.
import type { AttentionShape, DType } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { elementBytes } from '../../gpu-tensor.ts'

/** How keys and rows are spread over workgroups. */
export interface DecodeSpread {
  /** Keys that a workgroup takes at a time. */
  readonly chunkKeys: number
  /** Rows that share keys, and tiles of them. */
  readonly groupRows: number
  readonly rowTiles: number
  /** The most parts that keys are cut into, for which there is memory. */
  readonly mostParts: number
}

/** Bytes that the results of parts may take. */
const mostScratchBytes = 2 ** 26

/**
 * As many workgroups as an NVIDIA H200 runs at once, by their memory: its 132 multiprocessors keep 48 KiB for them. A few
 * more would have a round of their own, and all would take a third longer.
 */
export function workgroupsAtOnce(bytes: number): number {
  return 128 * Math.max(1, Math.min(8, Math.floor(49152 / bytes)))
}

/** Cuts rows into tiles and keys into parts. */
export function spreadKeys(
  {
    shape: { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim },
    dtype,
    rows,
    chunkKeys: chunk,
    workgroups,
  }: {
    readonly shape: AttentionShape
    readonly dtype: DType
    readonly rows: number
    readonly chunkKeys: number
    readonly workgroups: number
  },
  { limits }: Capabilities,
): DecodeSpread {
  const groupRows = (heads / kvHeads) * queryLength
  const rowTiles = Math.ceil(groupRows / rows)
  const chunks = Math.ceil(keyLength / chunk)
  const aim = Math.ceil(workgroups / (batch * kvHeads * rowTiles))
  const partRow = batch * heads * queryLength * (16 * Math.ceil(valueDim / 4) + 8)
  const room = Math.min(mostScratchBytes, limits.maxStorageBufferBindingSize)
  // A part has to fit into a binding, also where heads lie side by side in memory.
  const width = kvHeads * Math.max(headDim, valueDim) * elementBytes(dtype)
  const least = Math.ceil((2 * keyLength * width) / limits.maxStorageBufferBindingSize)
  const wantedParts = Math.min(Math.max(aim, least), chunks)
  const mostParts = Math.max(1, Math.min(wantedParts, Math.floor(room / partRow)))
  return { chunkKeys: chunk, groupRows, rowTiles, mostParts }
}
