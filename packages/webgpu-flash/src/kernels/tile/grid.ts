// A workgroup as a grid of threads over a tile of scores: thread (row, column) owns `rows / 4`
// neighbouring vectors of tile rows and `columnVectors` vectors of tile columns. All kernels, forward
// and backward, are made of two products on this grid: scores from two tensors, and a sum of a
// tensor's rows weighted by scores.
import { unroll } from '../../codegen/snippets.ts'
import { pastFirst, rowStep } from '../forward/matrix/lane-rows.ts'
import type { LaneRows } from '../forward/matrix/lane-rows.ts'
import { rolledStep } from '../rolled-loops.ts'

/** The grid of one kernel. Sizes in tokens. */
export interface ThreadGrid {
  /** Tokens along the rows of the score tile. */
  readonly tileRows: number
  /** Tokens along its columns. */
  readonly tileColumns: number
  readonly threadRows: number
  readonly threadColumns: number
  /**
   * Set where the grid is a subgroup between two products of its matrices: rows and columns are then
   * dealt to lanes as matrix/lane-rows.ts says.
   */
  readonly lanes?: LaneRows
  /**
   * Whether its loops stay rolled up and load nothing ahead, for kernels that hardly ever run: these compile sooner
   * and run slower. The kernel declares `nothing` by `declareNothing`. Default: false.
   */
  readonly rolled?: boolean
}

/** Text of the step of a loop over dims or tokens. */
export const loopStep = ({ rolled }: Pick<ThreadGrid, 'rolled'>, name: string): string =>
  rolled ? rolledStep(name) : `${name}++`

/** Threads of a workgroup. */
export function threadCount({ threadRows, threadColumns }: ThreadGrid): number {
  return threadRows * threadColumns
}

/** Tile rows a thread owns; a multiple of 4. */
export function ownRows({ tileRows, threadRows }: ThreadGrid): number {
  return tileRows / threadRows
}

/** Vectors of 4 tile columns a thread owns. */
export function ownColumnVectors({ tileColumns, threadColumns }: ThreadGrid): number {
  return tileColumns / 4 / threadColumns
}

/** How far a thread's row i is past its first. */
export function rowOffset({ lanes }: ThreadGrid, i: number): number {
  return lanes ? i * rowStep(lanes) : i
}

/**
 * How far the column in lane `lane` of a thread's column vector `j` is past its first. A vector holds
 * columns a quarter tile apart, so that neighbouring threads store neighbouring columns into
 * neighbouring banks; that of a lane holds neighbours, as matrices store them.
 */
export function columnOffset(grid: ThreadGrid, j: number, lane: number): number {
  if (grid.lanes) return pastFirst(grid.lanes, j, lane)
  return j * grid.threadColumns + (lane * grid.tileColumns) / 4
}

/** The same as text for the column whose number among a thread's is the variable `own`. */
export function columnOffsetText({ lanes, threadColumns, tileColumns }: ThreadGrid): string {
  return lanes
    ? `(own >> 2u) * ${4 * lanes.lanesPerRow}u + (own & 3u)`
    : `(own >> 2u) * ${threadColumns}u + (own & 3u) * ${tileColumns / 4}u`
}

/** Text of the tile column in lane `lane` of a thread's column vector `j`. */
export function columnText(grid: ThreadGrid, j: number, lane: number): string {
  return `column + ${columnOffset(grid, j, lane)}u`
}

/** Names of four neighbouring row registers as vec4 arguments: `x0, x1, x2, x3`. */
export function fourRows(h: number, name: (row: number) => string): string {
  return [0, 1, 2, 3].map((k) => name(4 * h + k)).join(', ')
}

/** The name of a component. */
export const lane = (index: number): string => 'xyzw'[index & 3]!

/** One line for each score register `name{i}_{j}` of a thread. */
export function eachScore(grid: ThreadGrid, name: string, line: (score: string) => string): string {
  return unroll(ownRows(grid), (i) =>
    unroll(ownColumnVectors(grid), (j) => line(`${name}${i}_${j}`)),
  )
}
