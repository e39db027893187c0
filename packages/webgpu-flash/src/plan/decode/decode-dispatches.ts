// A call of the decode kernel cut into dispatches that every limit allows: sequences, key heads, and
// last the parts of the keys, whose results lie apart in any case.
import { UnsupportedError } from '@attn/core'
import type { DeviceLimits } from '../../device/capabilities.ts'
import { partRange } from './decode-lengths.ts'
import type { DecodeLengths } from './decode-lengths.ts'
import type { DecodeSpread } from './decode-spread.ts'
import { boundRange } from '../dispatch.ts'
import type { BoundRange, BoundTensor, Range } from '../dispatch.ts'
import type { Call } from '../call.ts'

/** One dispatch: sequences, key heads, and parts of the keys. */
export interface Box {
  readonly batches: Range
  readonly keyHeads: Range
  readonly parts: Range
}

/** The tensors of a call as they are bound. */
export type BoundTensors = Readonly<
  Record<'query' | 'key' | 'value' | 'output' | 'logSumExp', BoundTensor>
>

/** Length of a range. */
export const count = ({ start, end }: Range): number => end - start

/** The part of each tensor that a box binds. */
export function decodeRanges(
  { shape }: Call,
  { chunkKeys: size }: DecodeSpread,
  bound: BoundTensors,
  { batches, keyHeads, parts }: Box,
  lengths: DecodeLengths,
  { minStorageBufferOffsetAlignment: alignment }: DeviceLimits,
): Readonly<Record<keyof BoundTensors, BoundRange>> {
  const group = shape.heads / shape.kvHeads
  const heads = { start: keyHeads.start * group, end: keyHeads.end * group }
  const rows = { start: 0, end: shape.queryLength }
  const chunks = partRange(lengths, batches, parts)
  const held = bound.key.view.shape[2]!
  const keys = lengths.anyRow
    ? { start: 0, end: held }
    : { start: chunks.start * size, end: Math.min(chunks.end * size, held) }
  const ofRows = (name: 'query' | 'output' | 'logSumExp'): BoundRange =>
    boundRange(bound[name], alignment, batches, heads, rows)
  const ofKeys = (name: 'key' | 'value'): BoundRange =>
    boundRange(bound[name], alignment, batches, keyHeads, keys)
  return {
    query: ofRows('query'),
    key: ofKeys('key'),
    value: ofKeys('value'),
    output: ofRows('output'),
    logSumExp: ofRows('logSumExp'),
  }
}

/**
 * Cuts a call.
 *
 * @throws UnsupportedError when a single part of a head is more than a binding may span.
 */
export function cutDecode(
  caller: string,
  call: Call,
  spread: DecodeSpread,
  bound: BoundTensors,
  lengths: DecodeLengths,
  limits: DeviceLimits,
): Box[] {
  const { shape, workBudget } = call
  const { headDim, valueDim } = shape
  const most = limits.maxComputeWorkgroupsPerDimension
  const partKeys = lengths.partChunks * spread.chunkKeys
  const perPart = 2 * spread.groupRows * partKeys * (headDim + valueDim)
  const cut = (box: Box): Box[] => {
    const { batches, keyHeads, parts } = box
    const ranges = Object.values(decodeRanges(call, spread, bound, box, lengths, limits))
    const tooWide = ranges.some(({ size }) => size > limits.maxStorageBufferBindingSize)
    const work = perPart * count(batches) * count(keyHeads) * count(parts)
    const tooMuch = tooWide || work > workBudget
    const axes: readonly (readonly [keyof Box, boolean])[] = [
      ['batches', tooMuch || count(batches) > most],
      ['keyHeads', tooMuch || (count(keyHeads) * shape.heads) / shape.kvHeads > most],
      ['parts', tooMuch || count(parts) * spread.rowTiles > most],
    ]
    const axis = axes.find(([name, helps]) => helps && count(box[name]) > 1)?.[0]
    if (axis === undefined) {
      if (!tooWide) return [box]
      throw new UnsupportedError(
        `${caller}: a part of a head spans more than the device's maxStorageBufferBindingSize=${limits.maxStorageBufferBindingSize} bytes; use contiguous tensors or request a larger limit`,
      )
    }
    const { start, end } = box[axis]
    const middle = start + Math.ceil((end - start) / 2)
    return [
      { ...box, [axis]: { start, end: middle } },
      { ...box, [axis]: { start: middle, end } },
    ].flatMap(cut)
  }
  return cut({
    batches: { start: 0, end: shape.batch },
    keyHeads: { start: 0, end: shape.kvHeads },
    parts: { start: 0, end: lengths.parts },
  })
}
