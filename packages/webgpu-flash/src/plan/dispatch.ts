// Cutting a call into dispatches that every limit allows: workgroups a dimension, bytes a binding
// may span, and a budget of work, since browsers end a dispatch that keeps the GPU too long. Parts
// over different keys are merged by log-sum-exp in the kernel's last step.
import { extent } from '@attn/core'
import type { AttentionShape, TensorLike } from '@attn/core'

/** A half-open range. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** One dispatch: a box of the work. Queries and keys are counted in tiles. */
export interface Dispatch {
  readonly batches: Range
  readonly heads: Range
  readonly queryTiles: Range
  readonly keyTiles: Range
  /** Whether earlier dispatches wrote the same rows, from other keys. */
  readonly merge: boolean
}

/** What cutting depends on. */
export interface DispatchLimits {
  readonly maxComputeWorkgroupsPerDimension: number
  /** Bytes a binding may span. */
  readonly maxStorageBufferBindingSize: number
  readonly minStorageBufferOffsetAlignment: number
  /** Floating-point operations a dispatch may hold. */
  readonly workBudget: number
}

/** The four tensors whose bindings may be too large, and the bytes of their elements. */
export interface BoundTensors {
  readonly query: TensorLike<unknown, string>
  readonly key: TensorLike<unknown, string>
  readonly value: TensorLike<unknown, string>
  readonly output: TensorLike<unknown, string>
  readonly elementBytes: number
}

/** First element and bytes of the part of a buffer that a dispatch binds. */
export interface BoundRange {
  readonly offset: number
  readonly size: number
}

/** The parts of the four tensors that a dispatch touches, as ranges of their axes. */
export function touched(
  shape: AttentionShape,
  tile: { readonly queries: number; readonly keys: number },
  dispatch: Omit<Dispatch, 'merge'>,
): { readonly rows: Range; readonly keys: Range; readonly keyHeads: Range } {
  const group = shape.heads / shape.kvHeads
  const { heads, queryTiles, keyTiles } = dispatch
  return {
    rows: {
      start: queryTiles.start * tile.queries,
      end: Math.min(queryTiles.end * tile.queries, shape.queryLength),
    },
    keys: {
      start: keyTiles.start * tile.keys,
      end: Math.min(keyTiles.end * tile.keys, shape.keyLength),
    },
    keyHeads: {
      start: Math.floor(heads.start / group),
      end: Math.floor((heads.end - 1) / group) + 1,
    },
  }
}

/** Bytes of a buffer that a box of a tensor spans, aligned as bindings must be. */
export function boundRange(
  view: TensorLike<unknown, string>,
  elementBytes: number,
  alignment: number,
  batches: Range,
  heads: Range,
  rows: Range,
): BoundRange {
  const [batchStride, headStride, rowStride] = view.strides as [number, number, number]
  const [first, last] = extent({
    ...view,
    shape: [
      batches.end - batches.start,
      heads.end - heads.start,
      rows.end - rows.start,
      view.shape[3]!,
    ],
    offset:
      view.offset + batches.start * batchStride + heads.start * headStride + rows.start * rowStride,
  })
  const offset = Math.floor((first * elementBytes) / alignment) * alignment
  const end = Math.ceil(((last + 1) * elementBytes) / 16) * 16
  return { offset, size: end - offset }
}

/**
 * Cuts the work into dispatches.
 *
 * @param work - Floating-point operations of a box.
 * @throws RangeError when not even a single row of tiles fits the limits.
 */
export function splitDispatches(
  shape: AttentionShape,
  tile: { readonly queries: number; readonly keys: number },
  tensors: BoundTensors,
  limits: DispatchLimits,
  work: (box: Omit<Dispatch, 'merge'>) => number,
): Dispatch[] {
  const bytes = (
    box: Omit<Dispatch, 'merge'>,
  ): { readonly overQueries: boolean; readonly overKeys: boolean } => {
    const { rows, keys, keyHeads } = touched(shape, tile, box)
    const over = (view: TensorLike<unknown, string>, heads: Range, range: Range): boolean =>
      boundRange(
        view,
        tensors.elementBytes,
        limits.minStorageBufferOffsetAlignment,
        box.batches,
        heads,
        range,
      ).size > limits.maxStorageBufferBindingSize
    return {
      overQueries: over(tensors.query, box.heads, rows) || over(tensors.output, box.heads, rows),
      overKeys: over(tensors.key, keyHeads, keys) || over(tensors.value, keyHeads, keys),
    }
  }
  const length = ({ start, end }: Range): number => end - start
  const most = limits.maxComputeWorkgroupsPerDimension
  const result: Dispatch[] = []

  const cut = (box: Dispatch): void => {
    const { overQueries, overKeys } = bytes(box)
    const tooMuch = work(box) > limits.workBudget
    if (
      length(box.batches) > most ||
      ((overQueries || overKeys || tooMuch) && length(box.batches) > 1)
    ) {
      return halves(box, 'batches')
    }
    if (
      length(box.heads) > most ||
      ((overQueries || overKeys || tooMuch) && length(box.heads) > 1)
    ) {
      return halves(box, 'heads')
    }
    if (length(box.queryTiles) > most || ((overQueries || tooMuch) && length(box.queryTiles) > 1)) {
      return halves(box, 'queryTiles')
    }
    if ((overKeys || tooMuch) && length(box.keyTiles) > 1) return halves(box, 'keyTiles')
    if (overQueries || overKeys) {
      throw new RangeError(
        `flash.plan: a single tile spans more than maxStorageBufferBindingSize=${limits.maxStorageBufferBindingSize} bytes; use contiguous tensors`,
      )
    }
    result.push(box)
  }
  const halves = (box: Dispatch, axis: 'batches' | 'heads' | 'queryTiles' | 'keyTiles'): void => {
    const { start, end } = box[axis]
    const middle = start + Math.ceil((end - start) / 2)
    cut({ ...box, [axis]: { start, end: middle } })
    const merge = axis === 'keyTiles' || box.merge
    cut({ ...box, [axis]: { start: middle, end }, merge })
  }
  cut({
    batches: { start: 0, end: shape.batch },
    heads: { start: 0, end: shape.heads },
    queryTiles: { start: 0, end: Math.ceil(shape.queryLength / tile.queries) },
    keyTiles: { start: 0, end: Math.ceil(shape.keyLength / tile.keys) },
    merge: false,
  })
  return result
}
