// What a mask does on a rectangle of a score matrix, and on a tile of it down to single pairs: the
// questions that a block map is planned with.
import type { BoundsEvaluator } from '../expression/bounds.ts'
import { emptyInterval } from '../expression/strided-interval.ts'
import type { MutableInterval, StridedInterval } from '../expression/strided-interval.ts'

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

/**
 * The values of an expression on rows `top .. bottom - 1` and keys `left .. right - 1`. Overwritten by
 * the next look.
 */
export type Look = (top: number, bottom: number, left: number, right: number) => StridedInterval

/** Looks at a plane through the bounds of an expression. */
export function lookAt(expression: BoundsEvaluator, plane: ScorePlane): Look {
  const { queryOffset, queryTokens, keyTokens } = plane
  const slot = emptyInterval()
  const slots = { slot }
  const queryIndex = emptyInterval()
  const query = emptyInterval()
  const key = emptyInterval()
  const box = {
    batch: single(plane.batch),
    head: single(plane.head),
    heads: single(plane.heads),
    queryLength: single(plane.queryLength),
    keyLength: single(plane.keyLength),
    queryIndex,
    query,
    key,
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

  return (top, bottom, left, right) => {
    setTokens(queryIndex, queryTokens, top, bottom - 1)
    query.low = queryOffset + queryIndex.low
    query.high = queryOffset + queryIndex.high
    query.stride = queryIndex.stride
    setTokens(key, keyTokens, left, right - 1)
    return expression(box)
  }
}

/** How many more looks a map may take. */
export interface LookBudget {
  left: number
}

/** Thrown by a look past its budget, for whoever gave the budget to catch. */
export const outOfLooks: Error = new Error('createBlockMap: the budget of looks is spent')

/** The same looks, until the budget is spent. */
export function lookWithin(look: Look, budget: LookBudget | undefined): Look {
  if (!budget) return look
  return (top, bottom, left, right) => {
    if (--budget.left < 0) throw outOfLooks
    return look(top, bottom, left, right)
  }
}

/** A tile of which no pair is visible, some are, all are. */
export const emptyTile = 0
export const partialTile = 1
export const fullTile = 2

/** What the pairs of a rectangle show: {@link emptyTile} and so on. */
export type ProbePairs = (top: number, bottom: number, left: number, right: number) => number

/** Looks for a visible and a hidden pair; a pair that bounds cannot tell counts as both. */
export function pairProbe(look: Look): ProbePairs {
  let anyVisible = false
  let anyHidden = false
  const visit = (top: number, bottom: number, left: number, right: number): void => {
    if (anyVisible && anyHidden) return
    const seen = look(top, bottom, left, right)
    if (seen.high === 0) {
      anyHidden = true
    } else if (seen.low === 1) {
      anyVisible = true
    } else if (bottom - top > 1 || right - left > 1) {
      quarter(top, bottom, left, right, visit)
    } else {
      anyVisible = true
      anyHidden = true
    }
  }
  return (top, bottom, left, right) => {
    anyVisible = false
    anyHidden = false
    // The edge of most patterns runs between the corners of a tile, which then decide it at once.
    visit(top, top + 1, left, left + 1)
    visit(top, top + 1, right - 1, right)
    visit(bottom - 1, bottom, left, left + 1)
    visit(bottom - 1, bottom, right - 1, right)
    visit(top, bottom, left, right)
    if (!anyVisible) return emptyTile
    return anyHidden ? partialTile : fullTile
  }
}

/** Cuts a rectangle into four, or across its longer side, and visits the upper parts first. */
export function quarter(
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
