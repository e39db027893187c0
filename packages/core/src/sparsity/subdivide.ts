// The quadtree under a block map: a rectangle of tiles that a mask neither fills nor leaves empty is
// cut into four, down to a tile, and a tile down to single pairs if need be.
import type { BlockSizes } from './block-map.ts'
import { fullTile, emptyTile, pairProbe, quarter } from './look.ts'
import type { Look } from './look.ts'
import { consecutiveRows, recordRuns } from './row-runs.ts'
import type { RowRuns } from './row-runs.ts'

/** Tiles `left .. right - 1` of the rows `top .. bottom - 1`. */
export interface TileRectangle {
  readonly top: number
  readonly bottom: number
  readonly left: number
  readonly right: number
}

/** How far a plane reaches, in tokens or slots. */
export interface PlaneEnd {
  readonly querySlots: number
  readonly keySlots: number
}

/**
 * The runs of tiles in a rectangle that a mask does not leave empty. Row 0 of the result is the
 * rectangle's `top`; columns keep their numbers.
 */
export function subdivide(
  look: Look,
  { querySlots, keySlots }: PlaneEnd,
  { queryBlockSize, keyBlockSize }: BlockSizes,
  rectangle: TileRectangle,
): RowRuns {
  const { top, bottom, left, right } = rectangle
  const wholeColumns = Math.floor(keySlots / keyBlockSize)
  const recorder = recordRuns(bottom - top, Math.ceil(keySlots / keyBlockSize))
  const probe = pairProbe(look)

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
      const tile = probe(firstRow, endRow, firstKey, endKey)
      if (tile === fullTile) reportVisible(top, bottom, left, right)
      else if (tile !== emptyTile) recorder.record(top - rectangle.top, left, 1, false)
    }
  }

  /** Reports tiles in which every pair is visible that there is. */
  const reportVisible = (top: number, bottom: number, left: number, right: number): void => {
    const whole = Math.min(right, wholeColumns)
    for (let row = top - rectangle.top; row < bottom - rectangle.top; row++) {
      if (whole > left) recorder.record(row, left, whole - left, true)
      if (right > whole) recorder.record(row, whole, right - whole, false)
    }
  }

  if (top < bottom && left < right) visitTiles(top, bottom, left, right)
  const { rowOffsets, runs } = recorder.finish()
  return consecutiveRows(rowOffsets, runs)
}
