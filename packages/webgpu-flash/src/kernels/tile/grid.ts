// A workgroup as a grid of threads over a tile of scores: thread (row, column) owns `rows / 4`
// neighbouring vectors of tile rows and `columnVectors` vectors of tile columns. All kernels, forward
// and backward, are made of two products on this grid: scores from two tensors, and a sum of a
// tensor's rows weighted by scores.
import { unroll } from '../../codegen/snippets.ts'

/** The grid of one kernel. Sizes in tokens. */
export interface ThreadGrid {
  /** Tokens along the rows of the score tile. */
  readonly tileRows: number
  /** Tokens along its columns. */
  readonly tileColumns: number
  readonly threadRows: number
  readonly threadColumns: number
}

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

/**
 * How far the column in lane `lane` of a thread's column vector `j` is past its first. A vector holds
 * columns a quarter tile apart, so that neighbouring threads store neighbouring columns into
 * neighbouring banks.
 */
export function columnOffset(grid: ThreadGrid, j: number, lane: number): number {
  return j * grid.threadColumns + (lane * grid.tileColumns) / 4
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
