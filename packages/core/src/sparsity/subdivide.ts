// The quadtree under a block map: a rectangle of tiles that a mask neither fills nor leaves empty is
// cut into four, down to a tile, and a tile down to single pairs if need be.
import type { BoundsEvaluator } from '../expression/bounds.ts'
import { emptyInterval } from '../expression/strided-interval.ts'
import type { MutableInterval, StridedInterval } from '../expression/strided-interval.ts'
import type { BlockSizes } from './block-map.ts'
import { recordRuns } from './row-runs.ts'
import type { RowRuns } from './row-runs.ts'

/** One sequence and head of the score matrix. */
export interface ScorePlane {
  readonly batch: number
  readonly head: number
  readonly heads: number
  readonly queryLength: number
  readonly keyLength: number
  /** Position of the first query. */
  readonly queryOffset: number
  /** Rows and columns of the plane: tokens, or slots where they stand in an order of their own. */
  readonly querySlots: number
  readonly keySlots: number
  /** Bounds on the tokens that stand in a range of slots; undefined for slot i = token i. */
  readonly queryTokens: BoundsEvaluator | undefined
  readonly keyTokens: BoundsEvaluator | undefined
}

/** Tiles `left .. right - 1` of the rows `top .. bottom - 1`. */
export interface TileRectangle {
  readonly top: number
  readonly bottom: number
  readonly left: number
  readonly right: number
}

/**
 * The runs of tiles in a rectangle that `visible` does not leave empty. Row 0 of the result is the
 * rectangle's `top`; columns keep their numbers.
 */
export function subdivide(
  visible: BoundsEvaluator,
  plane: ScorePlane,
  { queryBlockSize, keyBlockSize }: BlockSizes,
  rectangle: TileRectangle,
): RowRuns {
  const recorder = recordRuns(rectangle.bottom - rectangle.top)
  const report = (row: number, start: number, tiles: number, full: boolean): void =>
    recorder.record(row - rectangle.top, start, tiles, full)
  const { queryLength, querySlots, keySlots, queryOffset, queryTokens, keyTokens } = plane
  const slot = emptyInterval()
  const slots = { slot }
  const queryIndex = emptyInterval()
  const query = emptyInterval()
  const key = emptyInterval()
  const box = {
    batch: single(plane.batch),
    head: single(plane.head),
    heads: single(plane.heads),
    queryLength: single(queryLength),
    keyLength: single(plane.keyLength),
    queryIndex,
    query,
    key,
  }

  /** What the mask does on rows `top .. bottom - 1` and keys `left .. right - 1`. */
  const look = (top: number, bottom: number, left: number, right: number): StridedInterval => {
    setTokens(queryIndex, queryTokens, top, bottom - 1)
    query.low = queryOffset + queryIndex.low
    query.high = queryOffset + queryIndex.high
    query.stride = queryIndex.stride
    setTokens(key, keyTokens, left, right - 1)
    return visible(box)
  }

  /** The tokens in slots `first .. last`. */
  const setTokens = (
    out: MutableInterval,
    tokens: BoundsEvaluator | undefined,
    first: number,
    last: number,
  ): void => {
    if (!tokens) return setRange(out, first, last)
    setRange(slot, first, last)
    const { low, high, stride } = tokens(slots)
    out.low = low
    out.high = high
    out.stride = stride
  }

  const visitTiles = (top: number, bottom: number, left: number, right: number): void => {
    const firstRow = top * queryBlockSize
    const endRow = Math.min(bottom * queryBlockSize, querySlots)
    const firstKey = left * keyBlockSize
    const endKey = Math.min(right * keyBlockSize, keySlots)
    const seen = look(firstRow, endRow, firstKey, endKey)
    if (seen.high === 0) return
    if (seen.low === 1) {
      reportVisible(top, bottom, left, right)
    } else if (bottom - top > 1 || right - left > 1) {
      quarter(top, bottom, left, right, visitTiles)
    } else {
      anyVisible = false
      anyHidden = false
      probeCorners(firstRow, endRow, firstKey, endKey)
      visitPairs(firstRow, endRow, firstKey, endKey)
      if (!anyVisible) return
      if (anyHidden) report(top, left, 1, false)
      else reportVisible(top, bottom, left, right)
    }
  }

  /** Reports tiles in which every pair is visible that there is. */
  const reportVisible = (top: number, bottom: number, left: number, right: number): void => {
    const whole = Math.min(right, Math.floor(keySlots / keyBlockSize))
    for (let row = top; row < bottom; row++) {
      if (whole > left) report(row, left, whole - left, true)
      if (right > whole) report(row, whole, right - whole, false)
    }
  }

  let anyVisible = false
  let anyHidden = false

  // The edge of most patterns runs between the corners of a tile, which then decide it at once.
  const probeCorners = (top: number, bottom: number, left: number, right: number): void => {
    visitPairs(top, top + 1, left, left + 1)
    visitPairs(top, top + 1, right - 1, right)
    visitPairs(bottom - 1, bottom, left, left + 1)
    visitPairs(bottom - 1, bottom, right - 1, right)
  }

  /** Looks for a visible and a hidden pair; a pair that bounds cannot tell counts as both. */
  const visitPairs = (top: number, bottom: number, left: number, right: number): void => {
    if (anyVisible && anyHidden) return
    const seen = look(top, bottom, left, right)
    if (seen.high === 0) {
      anyHidden = true
    } else if (seen.low === 1) {
      anyVisible = true
    } else if (bottom - top > 1 || right - left > 1) {
      quarter(top, bottom, left, right, visitPairs)
    } else {
      anyVisible = true
      anyHidden = true
    }
  }

  const { top, bottom, left, right } = rectangle
  if (top < bottom && left < right) visitTiles(top, bottom, left, right)
  return recorder.finish()
}

/** Cuts a rectangle into four, or across its longer side, and visits the upper parts first. */
function quarter(
  top: number,
  bottom: number,
  left: number,
  right: number,
  visit: (top: number, bottom: number, left: number, right: number) => void,
): void {
  const rows = bottom - top
  const columns = right - left
  const middle = 2 * rows > columns ? top + halfOf(rows) : bottom
  const center = 2 * columns > rows ? left + halfOf(columns) : right
  visit(top, middle, left, center)
  if (center < right) visit(top, middle, center, right)
  if (middle < bottom) visit(middle, bottom, left, center)
  if (middle < bottom && center < right) visit(middle, bottom, center, right)
}

/** The largest power of two below a length, so that cuts fall where patterns repeat. */
function halfOf(length: number): number {
  return length > 1 ? 2 ** (31 - Math.clz32(length - 1)) : length
}

function single(value: number): StridedInterval {
  return { low: value, high: value, stride: 0 }
}

function setRange(out: MutableInterval, low: number, high: number): void {
  out.low = low
  out.high = high
  out.stride = low === high ? 0 : 1
}
