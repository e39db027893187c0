// A mask that looks the same one period further along the diagonal (windows, strides, blocks) is
// looked at in its first rows and columns only; every other row is an earlier one, moved:
//
//     a b c d      rows above: looked at
//     e a b c      column on the left: looked at
//     f e a b      the rest: the row above, one tile to the right
//
// Patterns without a single empty tile, such as a strided mask, would otherwise cost a look at every
// tile.
import { nodesOf } from '../expression/graph.ts'
import type { ExpressionNode } from '../expression/node.ts'
import { greatestCommonDivisor } from '../expression/strided-interval.ts'
import { translation } from '../expression/translation.ts'
import type { BlockSizes } from './block-map.ts'
import { appendRows } from './append-rows.ts'
import type { RowRuns } from './row-runs.ts'
import type { TileRectangle } from './subdivide.ts'

/** A step along the diagonal, in tiles. */
export interface DiagonalPeriod {
  readonly rows: number
  readonly columns: number
}

/** The tiles there are; those that are whole have neither a last query nor a last key within. */
export interface TileExtent {
  readonly rows: number
  readonly columns: number
  readonly wholeRows: number
  readonly wholeColumns: number
}

const mostMultiples = 16

/** How an axis moves: every so many slots, so many tokens further on. In natural order 1 and 1. */
export interface AxisStep {
  readonly slots: number
  readonly tokens: number
}

/** The step of slots that are tokens. */
export const naturalStep: AxisStep = { slots: 1, tokens: 1 }

/**
 * The shortest step found along which a mask looks the same, if there is one up to `limit` tokens.
 *
 * @param queryStep - How queries stand in an order of their own. Default: in natural order.
 * @param keyStep - The same for keys.
 */
export function diagonalPeriod(
  mask: ExpressionNode,
  { queryBlockSize, keyBlockSize }: BlockSizes,
  limit: number,
  queryStep: AxisStep = naturalStep,
  keyStep: AxisStep = naturalStep,
): DiagonalPeriod | undefined {
  const wholeTiles = leastCommonMultiple(
    tokensOfWholeTiles(queryStep, queryBlockSize),
    tokensOfWholeTiles(keyStep, keyBlockSize),
  )
  const wholeDivisors = [...divisorsIn(mask)].reduce(leastCommonMultiple, wholeTiles)
  // Nested divisions, as in (key / 16) mod 16, need a multiple of that.
  for (const step of new Set([wholeTiles, wholeDivisors])) {
    for (let multiple = 1; multiple <= mostMultiples; multiple++) {
      const distance = multiple * step
      if (!(distance <= limit)) break
      if (translation(mask, distance) === 0) {
        return {
          rows: ((distance / queryStep.tokens) * queryStep.slots) / queryBlockSize,
          columns: ((distance / keyStep.tokens) * keyStep.slots) / keyBlockSize,
        }
      }
    }
  }
  return undefined
}

/** The least distance in tokens that is whole steps and whole tiles of an axis. */
function tokensOfWholeTiles({ slots, tokens }: AxisStep, blockSize: number): number {
  return tokens * (blockSize / greatestCommonDivisor(slots, blockSize))
}

/** The least positive multiple of both. */
export function leastCommonMultiple(a: number, b: number): number {
  return (a / greatestCommonDivisor(a, b)) * b
}

/** Every constant that something is divided by. */
export function divisorsIn(root: ExpressionNode): ReadonlySet<number> {
  const divisors = new Set<number>()
  for (const node of nodesOf(root)) {
    if (node.kind === 'arithmetic' && node.right.kind === 'constant') {
      const { operation, right } = node
      if (operation === 'floorDivide' || operation === 'modulo') divisors.add(right.value)
    }
  }
  return divisors
}

/** All rows of a plane, from a look at its edges. */
export function followDiagonal(
  { rows, columns, wholeRows, wholeColumns }: TileExtent,
  period: DiagonalPeriod,
  look: (rectangle: TileRectangle) => RowRuns,
): RowRuns {
  // A short plane can end within the first period.
  const first = Math.min(period.rows, wholeRows)
  const above = look({ top: 0, bottom: first, left: 0, right: wholeColumns })
  const onTheLeft = look({
    top: first,
    bottom: wholeRows,
    left: 0,
    right: Math.min(period.columns, wholeColumns),
  })
  // Tiles with the last key or the last query in them look different.
  const lastColumn = look({ top: 0, bottom: wholeRows, left: wholeColumns, right: columns })
  const lastRow = look({ top: wholeRows, bottom: rows, left: 0, right: columns })

  const result = appendRows(rows, columns)
  for (let row = 0; row < wholeRows; row++) {
    if (row < first) {
      result.copy(above, row)
    } else {
      result.copy(onTheLeft, row - first)
      result.repeat(row - first, period.columns, wholeColumns)
    }
    result.copy(lastColumn, row)
    result.endRow()
  }
  for (let row = wholeRows; row < rows; row++) {
    result.copy(lastRow, row - wholeRows)
    result.endRow()
  }
  return result.finish()
}
