// Cutting a backward pass into dispatches that every limit allows. Unlike forward there is nothing to
// merge by log-sum-exp: parts over other columns, or over other query heads of a key head, add to what
// earlier ones wrote, always in the same order.
import { UnsupportedError } from '@attn/core'
import type { AttentionShape } from '@attn/core'
import { boundRange } from '../dispatch.ts'
import type { BoundRange, BoundTensor, DispatchLimits, Range } from '../dispatch.ts'
import type { GradientPass } from './gradient-passes.ts'

/** One dispatch: a box of the work. Rows are those of the gradient, columns what they sum over. */
export interface GradientDispatch {
  readonly batches: Range
  /** Query heads. */
  readonly heads: Range
  readonly rowTiles: Range
  readonly columnTiles: Range
  /** Whether earlier dispatches wrote the same rows. */
  readonly accumulate: boolean
}

/** What decides how the work of a kernel is cut. */
export interface GradientProblem {
  readonly shape: AttentionShape
  /** Whether rows are queries (dQ) or keys (dK and dV). */
  readonly rowTokens: 'queries' | 'keys'
  readonly tile: { readonly rows: number; readonly columns: number }
  readonly tensors: readonly BoundTensor[]
  readonly limits: DispatchLimits
  /** Whether each dispatch may hold one head of one sequence only. */
  readonly separatePlanes: boolean
  /** Floating-point operations of a pair of tiles, on average over all there are. */
  readonly tileWork: number
  /** Tiles of rows and of columns. Default: those of all tokens. */
  readonly rowTiles?: number
  readonly columnTiles?: number
  /** Whether tiles of rows, or of columns, hold tokens from anywhere, since these stand in an order. */
  readonly anyRow?: boolean
  readonly anyColumn?: boolean
}

/**
 * The work of a pass.
 *
 * @param separatePlanes - Whether each dispatch may hold one head of one sequence only.
 */
export function passProblem(
  pass: GradientPass,
  separatePlanes: boolean,
): Omit<GradientProblem, 'shape' | 'tensors' | 'limits'> {
  const { rowTokens, kernel, packedMap, pairOperations, rowTiles, columnTiles, orders } = pass
  const { tile } = kernel
  const share = packedMap ? packedMap.visited / packedMap.rowTiles.length / columnTiles : 1
  const problem = {
    rowTokens,
    tile,
    separatePlanes,
    tileWork: tile.rows * tile.columns * pairOperations * share,
  }
  if (!orders) return problem
  const { queryOrder, keyOrder } = orders
  const [ofRows, ofColumns] =
    rowTokens === 'queries' ? [queryOrder, keyOrder] : [keyOrder, queryOrder]
  // Slots in place of tokens, which lie anywhere.
  return {
    ...problem,
    rowTiles,
    columnTiles,
    anyRow: ofRows !== undefined,
    anyColumn: ofColumns !== undefined,
  }
}

/** The part of a tensor that a dispatch binds. */
export function gradientRange(
  { shape, rowTokens, tile, limits, anyRow, anyColumn }: GradientProblem,
  { batches, heads, rowTiles, columnTiles }: GradientDispatch,
  tensor: BoundTensor,
): BoundRange {
  const group = shape.heads / shape.kvHeads
  const ofRows = tensor.follows === rowTokens
  const [tiles, size] = ofRows ? [rowTiles, tile.rows] : [columnTiles, tile.columns]
  const length = tensor.follows === 'queries' ? shape.queryLength : shape.keyLength
  const rows = (ofRows ? anyRow : anyColumn)
    ? { start: 0, end: length }
    : { start: tiles.start * size, end: Math.min(tiles.end * size, length) }
  const keyHeads = {
    start: Math.floor(heads.start / group),
    end: Math.floor((heads.end - 1) / group) + 1,
  }
  const ownHeads = tensor.follows === 'queries' ? heads : keyHeads
  return boundRange(tensor, limits.minStorageBufferOffsetAlignment, batches, ownHeads, rows)
}

interface Cut {
  readonly axis: 'batches' | 'heads' | 'rowTiles' | 'columnTiles'
  /** Pieces are multiples of this. */
  readonly unit: number
  /** The most units a dispatch can hold. */
  readonly most: number
  readonly helpsRows: boolean
  readonly helpsColumns: boolean
  /** Whether the second half adds to what the first wrote. */
  readonly accumulates: boolean
}

function possibleCuts({ shape, rowTokens, limits, separatePlanes }: GradientProblem): Cut[] {
  const group = shape.heads / shape.kvHeads
  const grid = separatePlanes ? 1 : limits.maxComputeWorkgroupsPerDimension
  const both = { helpsRows: true, helpsColumns: true }
  const cuts: Cut[] = [
    { axis: 'batches', unit: 1, most: grid, ...both, accumulates: false },
    {
      axis: 'heads',
      unit: rowTokens === 'keys' ? group : 1,
      most: grid,
      ...both,
      accumulates: false,
    },
    {
      axis: 'rowTiles',
      unit: 1,
      most: limits.maxComputeWorkgroupsPerDimension,
      helpsRows: true,
      helpsColumns: false,
      accumulates: false,
    },
    {
      axis: 'columnTiles',
      unit: 1,
      most: Infinity,
      helpsRows: false,
      helpsColumns: true,
      accumulates: true,
    },
  ]
  // Query heads that share a key head are what its gradient sums over.
  if (rowTokens === 'keys') {
    cuts.push({
      axis: 'heads',
      unit: 1,
      most: Infinity,
      helpsRows: false,
      helpsColumns: true,
      accumulates: true,
    })
  }
  return cuts
}

/**
 * Cuts the work into dispatches.
 *
 * @throws UnsupportedError when not even a single pair of tiles fits the limits.
 */
export function splitGradient(caller: string, problem: GradientProblem): GradientDispatch[] {
  const { shape, rowTokens, tile, tensors, limits } = problem
  const cuts = possibleCuts(problem)
  const over = (box: GradientDispatch, ofRows: boolean): boolean =>
    tensors.some(
      (tensor) =>
        (tensor.follows === rowTokens) === ofRows &&
        gradientRange(problem, box, tensor).size > limits.maxStorageBufferBindingSize,
    )
  const length = ({ start, end }: Range): number => end - start

  const result: GradientDispatch[] = []
  const split = (box: GradientDispatch): void => {
    const overRows = over(box, true)
    const overColumns = over(box, false)
    const tiles = length(box.rowTiles) * length(box.columnTiles)
    const work = length(box.batches) * length(box.heads) * tiles * problem.tileWork
    const tooMuch = work > limits.workBudget
    const cut = cuts.find(({ axis, unit, most, helpsRows, helpsColumns }) => {
      const units = Math.ceil(length(box[axis]) / unit)
      const helps = tooMuch || (overRows && helpsRows) || (overColumns && helpsColumns)
      return units > most || (helps && units > 1)
    })
    if (cut) {
      const { axis, unit } = cut
      const { start, end } = box[axis]
      const middle = start + unit * Math.ceil((end - start) / unit / 2)
      split({ ...box, [axis]: { start, end: middle } })
      const accumulate = box.accumulate || cut.accumulates
      split({ ...box, [axis]: { start: middle, end }, accumulate })
      return
    }
    if (overRows || overColumns) {
      throw new UnsupportedError(
        `${caller}: a single tile spans more than the device's maxStorageBufferBindingSize=${limits.maxStorageBufferBindingSize} bytes; use contiguous tensors or request a larger limit`,
      )
    }
    result.push(box)
  }
  const [rows, columns] =
    rowTokens === 'queries'
      ? [shape.queryLength, shape.keyLength]
      : [shape.keyLength, shape.queryLength]
  split({
    batches: { start: 0, end: shape.batch },
    heads: { start: 0, end: shape.heads },
    rowTiles: { start: 0, end: problem.rowTiles ?? Math.ceil(rows / tile.rows) },
    columnTiles: { start: 0, end: problem.columnTiles ?? Math.ceil(columns / tile.columns) },
    accumulate: false,
  })
  return result
}
