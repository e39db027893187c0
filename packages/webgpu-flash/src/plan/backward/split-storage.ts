// What a backward pass on split float32 keeps beside its tensors: their halves, as many bytes as the tensors
// have; the ranges of their rows, and the powers of two that come of these.
import type { AttentionShape } from '@attn/core'
import { rangePieces } from '../../kernels/backward/split/measure-rows.wgsl.ts'
import { followsKeys, splitTensors } from '../../kernels/backward/split/powers.ts'
import type { SplitTensor } from '../../kernels/backward/split/powers.ts'

/** Shape of the halves of a tensor: float16, of each row the high and the low ones. */
export function halvesShape(
  { batch, heads, kvHeads, queryLength, keyLength, headDim }: AttentionShape,
  name: SplitTensor,
): readonly [batch: number, heads: number, length: number, halves: number] {
  return followsKeys(name)
    ? [batch, kvHeads, keyLength, 2 * headDim]
    : [batch, heads, queryLength, 2 * headDim]
}

/** Where the ranges of a tensor's pieces begin, counted in ranges of 8 bytes, and how many a head has. */
export interface RangeStorage {
  readonly base: number
  readonly pieces: number
  readonly pieceRows: number
}

/** Sizes of all buffers, in bytes, and where ranges lie in theirs. */
export function splitStorage(shape: AttentionShape): {
  readonly halves: Readonly<Record<SplitTensor, number>>
  readonly ranges: number
  readonly powers: number
  readonly ofTensor: Readonly<Record<SplitTensor, RangeStorage>>
} {
  let ranges = 0
  const entries = splitTensors.map((name) => {
    const [batch, heads, length, halves] = halvesShape(shape, name)
    const { rows, count } = rangePieces(length)
    const storage: RangeStorage = { base: ranges, pieces: count, pieceRows: rows }
    ranges += batch * heads * count
    return [name, storage, 2 * batch * heads * length * halves] as const
  })
  return {
    halves: Object.fromEntries(entries.map(([name, , bytes]) => [name, bytes])) as Record<
      SplitTensor,
      number
    >,
    ofTensor: Object.fromEntries(entries.map(([name, storage]) => [name, storage])) as Record<
      SplitTensor,
      RangeStorage
    >,
    ranges: 8 * ranges,
    powers: 8 * shape.batch * shape.kvHeads,
  }
}
