// The dispatches of a forward pass over given tensors.
import type { BlockMap } from '@attn/core'
import type { DeviceLimits } from '../../device/capabilities.ts'
import { boundRange, splitDispatches } from '../dispatch.ts'
import type { BoundTensor, Dispatch, DispatchLimits } from '../dispatch.ts'
import type { Call } from '../call.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import type { ForwardPass } from './passes.ts'

/** How a call is cut. */
export interface ForwardDispatches {
  readonly dispatches: readonly Dispatch[]
  /**
   * Whether the rows of a block map are taken longest first, so that a few of them may lie anywhere.
   * Where a head is too large to be bound at once, they are taken in order.
   */
  readonly anyRow: boolean
  /**
   * Dispatches over the parts of long rows, which are to be merged; the others then leave these rows
   * out. Their `queryTiles` count parts.
   */
  readonly parts: readonly Dispatch[]
}

/**
 * Cuts a call over these tensors.
 *
 * @throws UnsupportedError when they do not fit the device's bindings.
 */
export function forwardDispatches(
  caller: string,
  pass: ForwardPass,
  tensors: readonly BoundTensor[],
  deviceLimits: DeviceLimits,
): ForwardDispatches {
  const { call, blockMap, orders, continues } = pass
  const { shape, workBudget } = call
  const { tile } = pass.kernel
  const limits = { ...deviceLimits, workBudget }
  const ordered = orders?.queryOrder !== undefined
  const anyRow = ordered || (blockMap !== undefined && bindsWholeHeads(call, tensors, limits))
  const work = (box: Omit<Dispatch, 'merge'>): number => boxWork(pass, box)
  const dispatches = splitDispatches(caller, {
    shape,
    tile,
    tensors,
    limits,
    anyRow,
    anyKey: orders?.keyOrder !== undefined,
    ...(blockMap ? { queryTiles: blockMap.queryBlocks, keyTiles: blockMap.keyBlocks } : {}),
    work,
  }).map((dispatch) => (continues ? { ...dispatch, merge: true } : dispatch))
  const allKeys = dispatches.every(
    ({ keyTiles }) => keyTiles.start === 0 && keyTiles.end === dispatches[0]!.keyTiles.end,
  )
  const longRows = anyRow && allKeys ? pass.longRows : undefined
  const first = longRows?.rows ?? 0
  // Rows without a tile have nothing to add to what earlier passes wrote.
  const end =
    continues && anyRow && pass.packedMap ? rowsWithTiles(pass.packedMap, blockMap!) : Infinity
  const kept = dispatches.flatMap((dispatch) => {
    const { queryTiles } = dispatch
    const left = { start: Math.max(queryTiles.start, first), end: Math.min(queryTiles.end, end) }
    return left.start < left.end ? [{ ...dispatch, queryTiles: left }] : []
  })
  return { dispatches: kept, anyRow, parts: longRows ? partDispatches(pass, dispatches) : [] }
}

/** Rows with tiles, in the map that has most of them; in the order of the packed map they come first. */
function rowsWithTiles({ rowTiles }: PackedBlockMap, { queryBlocks }: BlockMap): number {
  let most = 0
  for (let first = 0; first < rowTiles.length; first += queryBlocks) {
    const tiles = rowTiles.subarray(first, first + queryBlocks)
    most = Math.max(
      most,
      tiles.reduce((count, length) => count + Number(length > 0), 0),
    )
  }
  return most
}

/** Parts over the same heads as the dispatches that begin with the first row, cut by the work. */
function partDispatches(pass: ForwardPass, dispatches: readonly Dispatch[]): Dispatch[] {
  const { parts, longestPart } = pass.longRows!
  const { call, kernel } = pass
  const { tile } = kernel
  const { shape, workBudget } = call
  const perTile = tile.queries * tile.keys * 2 * (shape.headDim + shape.valueDim)
  return dispatches
    .filter(({ queryTiles }) => queryTiles.start === 0)
    .flatMap(({ batches, heads, keyTiles }) => {
      const planes = (batches.end - batches.start) * (heads.end - heads.start)
      const most = Math.max(1, Math.floor(workBudget / (planes * longestPart * perTile)))
      const count = Math.ceil(parts / most)
      return Array.from({ length: count }, (_, index) => ({
        batches,
        heads,
        keyTiles,
        queryTiles: { start: index * most, end: Math.min((index + 1) * most, parts) },
        merge: pass.continues,
      }))
    })
}

/** Floating-point operations in a box of tiles. */
function boxWork(
  { call: { shape }, kernel: { tile }, packedMap, blockMap }: ForwardPass,
  box: Omit<Dispatch, 'merge'>,
): number {
  const count = ({ start, end }: { start: number; end: number }): number => end - start
  const keyTiles = count(box.keyTiles)
  const allKeyTiles = blockMap?.keyBlocks ?? Math.ceil(shape.keyLength / tile.keys)
  const perTile = tile.queries * tile.keys * 2 * (shape.headDim + shape.valueDim)
  let tiles = count(box.queryTiles) * keyTiles
  if (packedMap && blockMap) {
    // Rows are taken by their order; the mean over all maps is close enough for a budget.
    const mean = packedMap.visited / packedMap.rowTiles.length / allKeyTiles
    tiles = Math.ceil(tiles * mean)
  }
  return count(box.batches) * count(box.heads) * tiles * perTile
}

/** Whether every row of a head can be bound at once. */
function bindsWholeHeads(
  { shape }: Call,
  tensors: readonly BoundTensor[],
  limits: DispatchLimits,
): boolean {
  const one = { start: 0, end: 1 }
  const rows = { start: 0, end: shape.queryLength }
  return tensors.every(
    (tensor) =>
      tensor.follows === 'keys' ||
      // A head may begin anywhere between two aligned places.
      boundRange(tensor, 1, one, one, rows).size + limits.minStorageBufferOffsetAlignment <=
        limits.maxStorageBufferBindingSize,
  )
}
