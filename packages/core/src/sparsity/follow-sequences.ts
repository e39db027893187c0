// Packed sequences break the diagonal along which a mask repeats, but within each it goes on repeating.
// Where a sequence is long, its whole tiles follow its own diagonal; the tiles on its edges, and short
// sequences, are looked at.
import type { ResolvedSequences } from '../attention/packed-sequences.ts'
import { appendRows } from './append-rows.ts'
import type { RowAppender } from './append-rows.ts'
import type { BlockSizes } from './block-map.ts'
import { followDiagonal } from './follow-diagonal.ts'
import type { DiagonalPeriod } from './follow-diagonal.ts'
import type { RowRuns } from './row-runs.ts'
import type { TileRectangle } from './subdivide.ts'

/** The tiles that hold nothing but one sequence. */
interface Interior extends TileRectangle {
  /** One past the last column that holds a key of the sequence. */
  readonly end: number
}

/**
 * All rows of a plane of packed sequences.
 *
 * @param period - Of the mask within a sequence.
 */
export function followSequences(
  { rows, columns }: { readonly rows: number; readonly columns: number },
  sequences: ResolvedSequences,
  sizes: BlockSizes,
  period: DiagonalPeriod,
  look: (rectangle: TileRectangle) => RowRuns,
): RowRuns {
  const result = appendRows(rows, columns)
  let done = 0
  const lookAt = (bottom: number): void => {
    if (bottom > done) copyRows(result, look({ top: done, bottom, left: 0, right: columns }))
    done = bottom
  }
  for (const interior of longInteriors(sequences, sizes, period)) {
    lookAt(interior.top)
    followInterior(result, interior, period, look)
    done = interior.bottom
  }
  lookAt(rows)
  return result.finish()
}

/** Interiors of the sequences that reach further than a mask takes to repeat. */
function longInteriors(
  { cumulativeQueryLengths, cumulativeKeyLengths, keyLengths }: ResolvedSequences,
  { queryBlockSize, keyBlockSize }: BlockSizes,
  period: DiagonalPeriod,
): readonly Interior[] {
  const interiors: Interior[] = []
  keyLengths.forEach((keys, sequence) => {
    const firstKey = cumulativeKeyLengths[sequence]!
    const lastKey = firstKey + keys
    const interior = {
      top: Math.ceil(cumulativeQueryLengths[sequence]! / queryBlockSize),
      bottom: Math.floor(cumulativeQueryLengths[sequence + 1]! / queryBlockSize),
      left: Math.ceil(firstKey / keyBlockSize),
      right: Math.floor(lastKey / keyBlockSize),
      end: Math.ceil(lastKey / keyBlockSize),
    }
    const { top, bottom, left, right } = interior
    if (bottom - top > 2 * period.rows && right - left > 2 * period.columns) {
      interiors.push(interior)
    }
  })
  return interiors
}

function followInterior(
  result: RowAppender,
  { top, bottom, left, right, end }: Interior,
  period: DiagonalPeriod,
  look: (rectangle: TileRectangle) => RowRuns,
): void {
  const [rows, columns] = [bottom - top, right - left]
  const extent = { rows, columns, wholeRows: rows, wholeColumns: columns }
  const inside = followDiagonal(extent, period, (part) =>
    movedLeft(
      look({
        top: top + part.top,
        bottom: top + part.bottom,
        left: left + part.left,
        right: left + part.right,
      }),
      left,
    ),
  )
  // Columns that other sequences have a share in; none where keys begin or end with a tile.
  const before = look({ top, bottom, left: Math.max(left - 1, 0), right: left })
  const after = look({ top, bottom, left: right, right: end })
  for (let row = 0; row < rows; row++) {
    result.copy(before, row)
    for (let run = inside.starts[row]!; run < inside.ends[row]!; run++) {
      const packed = inside.runs[2 * run + 1]!
      result.add(left + inside.runs[2 * run]!, packed >>> 1, (packed & 1) === 1)
    }
    result.copy(after, row)
    result.endRow()
  }
}

function copyRows(result: RowAppender, source: RowRuns): void {
  for (let row = 0; row < source.starts.length; row++) {
    result.copy(source, row)
    result.endRow()
  }
}

/** Rows whose first column is `left`, from column 0 on. */
function movedLeft({ starts, ends, runs }: RowRuns, left: number): RowRuns {
  const moved = runs.map((word, index) => (index % 2 === 0 ? word - left : word))
  return { starts, ends, runs: moved }
}
