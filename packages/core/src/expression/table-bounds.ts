// The smallest and largest value of a table over a box of indices. A mask that another framework
// hands over can have 4096 x 4096 entries, so the last two axes get a pyramid: each level holds the
// extremes of 8 x 8 cells of the level below, built once and kept as long as the table lives. A list
// that never decreases has its extremes at the ends.
import type { Table } from './node.ts'
import { assign, assignFloat, assignUnknown, isUnknown } from './strided-interval.ts'
import type { MutableInterval, StridedInterval } from './strided-interval.ts'

type Values = Table['values']

/** One level of the pyramid: `slices` matrices of `rows` x `columns` extremes. */
interface Level {
  readonly rows: number
  readonly columns: number
  readonly lowest: Values
  readonly highest: Values
}

const shift = 3 // log2 of the cells that a cell of the next level stands for, along each axis
const smallBox = 32 // boxes with at most this many entries are read entry by entry

const pyramids = new WeakMap<Table, readonly Level[]>()

/** The levels above the table itself, which is level 0. */
function pyramidOf(table: Table): readonly Level[] {
  let levels = pyramids.get(table)
  if (levels === undefined) {
    levels = buildPyramid(table)
    pyramids.set(table, levels)
  }
  return levels
}

function buildPyramid({ shape, values }: Table): readonly Level[] {
  const rows = shape.at(-2) ?? 1
  const columns = shape.at(-1)!
  const slices = values.length / (rows * columns)
  let level: Level = { rows, columns, lowest: values, highest: values }
  const levels = [level]
  while (level.rows > 1 || level.columns > 1) {
    level = nextLevel(level, slices)
    levels.push(level)
  }
  return levels
}

function nextLevel(level: Level, slices: number): Level {
  const rows = Math.ceil(level.rows / 2 ** shift)
  const columns = Math.ceil(level.columns / 2 ** shift)
  const lowest = emptyLike(level.lowest, slices * rows * columns)
  const highest = emptyLike(level.lowest, slices * rows * columns)
  let source = 0
  for (let slice = 0; slice < slices; slice++) {
    for (let row = 0; row < level.rows; row++) {
      const target = (slice * rows + (row >> shift)) * columns
      for (let column = 0; column < level.columns; column++, source++) {
        const cell = target + (column >> shift)
        const low = level.lowest[source]!
        const high = level.highest[source]!
        const first = ((row | column) & (2 ** shift - 1)) === 0
        // Not a number is kept, which `<` alone would lose.
        if (first || low < lowest[cell]! || Number.isNaN(low)) lowest[cell] = low
        if (first || high > highest[cell]! || Number.isNaN(high)) highest[cell] = high
      }
    }
  }
  return { rows, columns, lowest, highest }
}

const ascending = new WeakMap<Table, boolean>()

/** Whether a list never decreases, such as the beginning of each token's sequence. */
function isAscending(table: Table): boolean {
  let known = ascending.get(table)
  if (known === undefined) {
    const { values, shape } = table
    known = shape.length === 1
    for (let i = 1; i < values.length && known; i++) known = values[i - 1]! <= values[i]!
    ascending.set(table, known)
  }
  return known
}

function emptyLike(values: Values, length: number): Values {
  if (values instanceof Uint8Array) return new Uint8Array(length)
  if (values instanceof Int32Array) return new Int32Array(length)
  return new Float64Array(length)
}

/** Writes the range of a table's values over a box of indices. */
export type TableBounds = (
  out: MutableInterval,
  indices: readonly StridedInterval[],
) => StridedInterval

/**
 * Prepares range questions about a table. Indices are clamped to their axes, as everywhere. Values
 * of a trainable table change between calls, so nothing may be planned from them; those of others may lie
 * elsewhere.
 */
export function tableBounds(table: Table): TableBounds {
  const { shape, values } = table
  if (table.trainable || table.elsewhere !== undefined) {
    return (out, indices) =>
      indices.some(isUnknown) ? assignUnknown(out) : assignFloat(out, -Infinity, Infinity)
  }

  const rank = shape.length
  // The clamped box: first index, step and number of indices along each axis.
  const starts = new Int32Array(rank)
  const steps = new Int32Array(rank)
  const counts = new Int32Array(rank)
  let lowest = Infinity
  let highest = -Infinity

  /** Fills in the clamped box and returns the number of entries in it, or NaN. */
  const clamp = (indices: readonly StridedInterval[]): number => {
    let entries = 1
    for (let axis = 0; axis < rank; axis++) {
      const index = indices[axis]!
      if (isUnknown(index)) return NaN
      const last = shape[axis]! - 1
      const inside = index.low >= 0 && index.high <= last
      const start = Math.min(Math.max(index.low, 0), last)
      const step = inside && index.stride > 1 ? index.stride : 1
      starts[axis] = start
      steps[axis] = step
      counts[axis] = (Math.min(Math.max(index.high, 0), last) - start) / step + 1
      entries *= counts[axis]!
    }
    return entries
  }

  const readEach = (axis: number, base: number): void => {
    const size = shape[axis]!
    for (let i = 0; i < counts[axis]!; i++) {
      const place = base * size + starts[axis]! + i * steps[axis]!
      if (axis + 1 < rank) readEach(axis + 1, place)
      else include(values[place]!, values[place]!)
    }
  }

  const include = (low: number, high: number): void => {
    lowest = Math.min(lowest, low)
    highest = Math.max(highest, high)
  }

  /** Includes rows `top .. bottom` and columns `left .. right` of the table, by cells of a level. */
  const readCells = (
    levels: readonly Level[],
    depth: number,
    slice: number,
    top: number,
    bottom: number,
    left: number,
    right: number,
  ): void => {
    const level = levels[depth]!
    const bits = shift * depth
    for (let row = top >> bits; row <= bottom >> bits; row++) {
      const firstRow = row << bits
      const lastRow = Math.min(firstRow + 2 ** bits, levels[0]!.rows) - 1
      for (let column = left >> bits; column <= right >> bits; column++) {
        const cell = (slice * level.rows + row) * level.columns + column
        const low = level.lowest[cell]!
        const high = level.highest[cell]!
        if (low >= lowest && high <= highest) continue // nothing new inside
        const firstColumn = column << bits
        const lastColumn = Math.min(firstColumn + 2 ** bits, levels[0]!.columns) - 1
        if (firstRow >= top && lastRow <= bottom && firstColumn >= left && lastColumn <= right) {
          include(low, high)
        } else {
          readCells(
            levels,
            depth - 1,
            slice,
            Math.max(top, firstRow),
            Math.min(bottom, lastRow),
            Math.max(left, firstColumn),
            Math.min(right, lastColumn),
          )
        }
      }
    }
  }

  const readSlices = (axis: number, slice: number): void => {
    if (axis < rank - 2) {
      const size = shape[axis]!
      for (let i = 0; i < counts[axis]!; i++) {
        readSlices(axis + 1, slice * size + starts[axis]! + i * steps[axis]!)
      }
      return
    }
    const levels = pyramidOf(table)
    const top = rank > 1 ? starts[rank - 2]! : 0
    const bottom = rank > 1 ? top + (counts[rank - 2]! - 1) * steps[rank - 2]! : 0
    const left = starts[rank - 1]!
    const right = left + (counts[rank - 1]! - 1) * steps[rank - 1]!
    readCells(levels, levels.length - 1, slice, top, bottom, left, right)
  }

  return (out, indices) => {
    const entries = clamp(indices)
    if (Number.isNaN(entries)) return assignUnknown(out)
    lowest = Infinity
    highest = -Infinity
    if (isAscending(table))
      include(values[starts[0]!]!, values[starts[0]! + (entries - 1) * steps[0]!]!)
    else if (entries <= smallBox) readEach(0, 0)
    else readSlices(0, 0)
    return table.type === 'float'
      ? assignFloat(out, lowest, highest)
      : assign(out, lowest, highest, 1)
  }
}
