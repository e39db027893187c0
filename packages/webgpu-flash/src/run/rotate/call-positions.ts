// Where the rows of a call with lengths of its own stand, for the rotation of its queries and keys.
import { slice } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { RingPlaces } from '../../plan/decode/key-places.ts'
import { ringWords } from '../../plan/decode/key-places.ts'
import { offsetWords } from '../../plan/rotate/rotary-words.ts'
import type { PositionWords } from '../../plan/rotate/rotary-words.ts'
import type { AppendedTokens } from '../cache/appended-tokens.ts'
import type { CallLengths } from '../forward/call-lengths.ts'
import type { ForwardInputs } from '../forward/forward-tensors.ts'

/** What positions follow from. */
export interface PositionsOf extends Pick<ForwardInputs, 'places'> {
  readonly appended?: AppendedTokens | undefined
}

/** By how much positions behind the sinks of a ring are lowered, of each sequence. */
function gapOf({ places }: PositionsOf, gap: 'kept' | 'closed'): (sequence: number) => number {
  if (gap === 'kept' || places?.kind !== 'ring') return () => 0
  return (sequence) => places.oldest[sequence]! - places.sinks
}

/** Positions of the queries: one after another, or as far from the first as they are deep in a tree. */
export function queryPositions(
  caller: string,
  { queryOffsets }: CallLengths,
  queryLength: number,
  call: PositionsOf,
  gap: 'kept' | 'closed',
): PositionWords {
  const lowered = gapOf(call, gap)
  const offsets = Array.from(queryOffsets, (offset, sequence) => offset - lowered(sequence))
  const depths = call.appended?.rows === queryLength ? call.appended.depths : undefined
  if (!depths) return offsetWords(caller, offsets, queryLength)
  const words = new Uint32Array(2 * offsets.length * queryLength)
  offsets.forEach((offset, sequence) =>
    depths.forEach((depth, row) => {
      words[2 * (sequence * queryLength + row)] = offset + depth
    }),
  )
  return { words, batchStep: queryLength, rowStep: 1, growth: 0 }
}

/** Positions of the rows that keys lie in. */
export function keyPositions(
  { keyLengths }: CallLengths,
  { shape }: GpuTensor,
  call: PositionsOf,
  gap: 'kept' | 'closed',
): PositionWords {
  const [batch, , rows] = shape as [number, number, number]
  const { places } = call
  if (places?.kind !== 'ring') {
    return { words: new Uint32Array(2), batchStep: 0, rowStep: 0, growth: 1 }
  }
  const lowered = gapOf(call, gap)
  const words = new Uint32Array(2 * batch * rows)
  for (let sequence = 0; sequence < batch; sequence++) {
    const positions = ringPositions(places, sequence, keyLengths[sequence]!)
    for (let row = 0; row < rows; row++) {
      const less = row < places.sinks ? 0 : lowered(sequence)
      words[2 * (sequence * rows + row)] = positions(row) - less
    }
  }
  return { words, batchStep: rows, rowStep: 1, growth: 0 }
}

/** The position of a row of a ring; rows never filled get what is none. */
function ringPositions(
  places: RingPlaces,
  sequence: number,
  length: number,
): (row: number) => number {
  const [, newest, lap] = ringWords(places, sequence, length)
  return (row) => (row < places.sinks ? row : row + lap! - (row > newest! ? places.rows : 0))
}

/** The rows of a tensor for rotated keys that a call has. */
export const rowsLike = (turned: GpuTensor, given: GpuTensor): GpuTensor =>
  given.shape[2] === turned.shape[2] ? turned : slice(turned, 2, 0, given.shape[2]!)
