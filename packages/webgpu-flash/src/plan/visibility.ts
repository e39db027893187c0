// What the queries of a call see, decided once: forward, backward and decode of the call all ask here
// which tiles are empty, partial or full, whatever tiles and kernels each of them has.
import { createBlockMap } from '@attn/core'
import type {
  AttentionShape,
  BlockMap,
  BlockMapShape,
  BlockSizes,
  ResolvedAttention,
} from '@attn/core'

/** Key counts and query offsets of the sequences. */
export type CallLengths = Pick<ResolvedAttention, 'keyLengths' | 'queryOffsets'>

/** What the queries of a call see. */
export interface Visibility {
  /**
   * The map for tiles of these sizes; undefined where neither mask nor padding hides any pair, and all
   * tiles are full. One map for one size, however often it is asked for.
   */
  blockMap(sizes: BlockSizes): BlockMap | undefined
  /**
   * The same for lengths that come with a call, where keys past their number are left out anyway:
   * undefined where there is no mask.
   */
  blockMapOf(lengths: CallLengths, sizes: BlockSizes): BlockMap | undefined
}

/** The shape that the block maps of a call are made for. */
export function blockMapShape(
  { batch, heads, queryLength, keyLength }: AttentionShape,
  { queryOffsets, keyLengths }: CallLengths,
): BlockMapShape {
  return { batch, heads, queryLength, keyLength, queryOffset: queryOffsets, keyLengths }
}

/** A tile as block maps know it. */
export function blockSizes(tile: { readonly queries: number; readonly keys: number }): BlockSizes {
  return { queryBlockSize: tile.queries, keyBlockSize: tile.keys }
}

/** Decides what is visible. */
export function decideVisibility(shape: AttentionShape, attention: ResolvedAttention): Visibility {
  const { mask, sequences, keyLengths } = attention
  const hides = mask !== undefined || keyLengths.some((length) => length < shape.keyLength)
  const maps = new Map<string, BlockMap>()
  const create = (sizes: BlockSizes): BlockMap => {
    // Of packed sequences the mask as it was given, which planning can see repeat.
    if (!sequences) return createBlockMap(mask, blockMapShape(shape, attention), sizes)
    const { cumulativeQueryLengths, cumulativeKeyLengths } = sequences
    const packed = { cumulativeQueryLengths, cumulativeKeyLengths }
    const whole = { ...blockMapShape(shape, sequences), sequences: packed }
    return createBlockMap(sequences.mask, whole, sizes)
  }
  return {
    blockMap: (sizes) => {
      if (!hides) return undefined
      const name = `${sizes.queryBlockSize} ${sizes.keyBlockSize}`
      const known = maps.get(name) ?? create(sizes)
      maps.set(name, known)
      return known
    },
    blockMapOf: (lengths, sizes) =>
      mask && createBlockMap(mask, blockMapShape(shape, lengths), sizes),
  }
}
