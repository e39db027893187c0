// Cutting a call into dispatches that every limit allows: workgroups a dimension, bytes a binding
// may span, and a budget of work, since browsers end a dispatch that keeps the GPU too long. Parts
// over different keys are merged by log-sum-exp in the kernel's last step.
import { extent, UnsupportedError } from '@attn/core'
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

/** A tensor that a kernel binds, `[batch, heads, length, ...]`. */
export interface BoundTensor {
  readonly view: TensorLike<unknown, string>
  readonly elementBytes: number
  /** Whether its heads and rows are those of queries or of keys. */
  readonly follows: 'queries' | 'keys'
}

/** First element and bytes of the part of a buffer that a dispatch binds. */
export interface BoundRange {
  readonly offset: number
  readonly size: number
}

/**
 * The parts of the tensors that a dispatch touches, as ranges of their axes.
 *
 * @param anyRow - Whether query tiles are taken in an order of their own, so that a few of them may
 *   lie anywhere.
 * @param anyKey - The same for keys.
 */
export function touched(
  shape: AttentionShape,
  tile: { readonly queries: number; readonly keys: number },
  dispatch: Omit<Dispatch, 'merge'>,
  anyRow = false,
  anyKey = false,
): { readonly rows: Range; readonly keys: Range; readonly keyHeads: Range } {
  const group = shape.heads / shape.kvHeads
  const { heads, queryTiles, keyTiles } = dispatch
  return {
    rows: anyRow
      ? { start: 0, end: shape.queryLength }
      : {
          start: queryTiles.start * tile.queries,
          end: Math.min(queryTiles.end * tile.queries, shape.queryLength),
        },
    keys: anyKey
      ? { start: 0, end: shape.keyLength }
      : {
          start: keyTiles.start * tile.keys,
          end: Math.min(keyTiles.end * tile.keys, shape.keyLength),
        },
    keyHeads: {
      start: Math.floor(heads.start / group),
      end: Math.floor((heads.end - 1) / group) + 1,
    },
  }
}

/** The part of a buffer that a box of a tensor spans, aligned as bindings must be. */
export function boundRange(
  { view, elementBytes }: BoundTensor,
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
      ...view.shape.slice(3),
    ],
    offset:
      view.offset + batches.start * batchStride + heads.start * headStride + rows.start * rowStride,
  })
  const offset = Math.floor((first * elementBytes) / alignment) * alignment
  const end = Math.ceil(((last + 1) * elementBytes) / 16) * 16
  return { offset, size: end - offset }
}

/** What decides how the work of a call is cut. */
export interface DispatchProblem {
  readonly shape: AttentionShape
  readonly tile: { readonly queries: number; readonly keys: number }
  readonly tensors: readonly BoundTensor[]
  readonly limits: DispatchLimits
  /** See {@link touched}. Default: false. */
  readonly anyRow?: boolean
  readonly anyKey?: boolean
  /** Tiles along each axis. Default: those of as many slots as there are tokens. */
  readonly queryTiles?: number
  readonly keyTiles?: number
  /** Floating-point operations of a box. */
  work(box: Omit<Dispatch, 'merge'>): number
}

/** More workgroups than any GPU runs at once. */
export const workgroupsAtOnce = 2048

function workgroupsOf({ batches, heads, queryTiles }: Omit<Dispatch, 'merge'>): number {
  return [batches, heads, queryTiles].reduce((all, { start, end }) => all * (end - start), 1)
}

type Axis = 'batches' | 'heads' | 'queryTiles' | 'keyTiles'

/**
 * Cuts the work into dispatches.
 *
 * @throws UnsupportedError when not even a single pair of tiles fits the limits.
 */
export function splitDispatches(caller: string, problem: DispatchProblem): Dispatch[] {
  const { shape, tile, tensors, limits, anyRow = false, anyKey = false } = problem
  const over = (box: Dispatch, follows: BoundTensor['follows']): boolean => {
    const { rows, keys, keyHeads } = touched(shape, tile, box, anyRow, anyKey)
    const [heads, range] = follows === 'queries' ? [box.heads, rows] : [keyHeads, keys]
    const alignment = limits.minStorageBufferOffsetAlignment
    return tensors.some(
      (tensor) =>
        tensor.follows === follows &&
        boundRange(tensor, alignment, box.batches, heads, range).size >
          limits.maxStorageBufferBindingSize,
    )
  }
  /** The axis to cut a box along, or undefined where it may stay whole. */
  const tooLong = (box: Dispatch): Axis | undefined => {
    const overQueries = over(box, 'queries')
    const overKeys = over(box, 'keys')
    const tooMuch = problem.work(box) > limits.workBudget
    // Fewer workgroups than a GPU runs at once would leave it idle: rather are parts merged.
    const rather = workgroupsOf(box) < 2 * workgroupsAtOnce ? 'keyTiles' : undefined
    if (tooMuch && !overQueries && !overKeys && rather && box[rather].end - box[rather].start > 1) {
      return rather
    }
    const helps: Readonly<Record<Axis, boolean>> = {
      batches: overQueries || overKeys || tooMuch,
      heads: overQueries || overKeys || tooMuch,
      queryTiles: (overQueries && !anyRow) || tooMuch,
      keyTiles: (overKeys && !anyKey) || tooMuch,
    }
    const axis = (Object.keys(helps) as Axis[]).find((name) => {
      const length = box[name].end - box[name].start
      const most = name === 'keyTiles' ? Infinity : limits.maxComputeWorkgroupsPerDimension
      return length > most || (helps[name] && length > 1)
    })
    if (axis === undefined && (overQueries || overKeys)) {
      throw new UnsupportedError(
        `${caller}: a single tile spans more than the device's maxStorageBufferBindingSize=${limits.maxStorageBufferBindingSize} bytes; use contiguous tensors or request a larger limit`,
      )
    }
    return axis
  }

  const result: Dispatch[] = []
  const cut = (box: Dispatch): void => {
    const axis = tooLong(box)
    if (axis === undefined) return void result.push(box)
    const { start, end } = box[axis]
    const middle = start + Math.ceil((end - start) / 2)
    cut({ ...box, [axis]: { start, end: middle } })
    cut({ ...box, [axis]: { start: middle, end }, merge: axis === 'keyTiles' || box.merge })
  }
  cut({
    batches: { start: 0, end: shape.batch },
    heads: { start: 0, end: shape.heads },
    queryTiles: {
      start: 0,
      end: problem.queryTiles ?? Math.ceil(shape.queryLength / tile.queries),
    },
    keyTiles: { start: 0, end: problem.keyTiles ?? Math.ceil(shape.keyLength / tile.keys) },
    merge: false,
  })
  return result
}
