// Cutting the computation of weights into dispatches: bytes that may be bound, workgroups a dimension,
// and the budget of work. What is cut along an axis that is reduced away goes on where the last
// dispatch stopped.
import { UnsupportedError } from '@attn/core'
import type { ResolvedWeights } from '@attn/core'
import type { WeightsKind } from '../../kernels/weights/weights.wgsl.ts'
import { boundRange } from '../dispatch.ts'
import type { BoundRange, BoundTensor, DispatchLimits, Range } from '../dispatch.ts'

/** A box of the work: heads are places in the list of those asked for, queries and keys are tiles. */
export interface WeightsBox {
  readonly batches: Range
  readonly heads: Range
  readonly queryTiles: Range
  readonly keyTiles: Range
  /** Whether an earlier dispatch wrote to the same place. */
  readonly continues: boolean
}

/** What a dispatch binds, by name. */
export type WeightsRanges = Readonly<Record<'query' | 'key' | 'logSumExp' | 'weights', BoundRange>>

/** A box with what it binds and how many workgroups it takes. */
export interface WeightsDispatch extends WeightsBox {
  readonly ranges: WeightsRanges
  readonly workgroups: readonly [x: number, y: number, z: number]
}

/** What cutting depends on. */
export interface WeightsProblem {
  readonly kind: WeightsKind
  readonly choice: ResolvedWeights
  readonly sizes: { readonly batch: number; readonly keys: number; readonly headDim: number }
  /** Rows of keys where those of a tile may be any. Default: they are those of its columns. */
  readonly anyKey?: number | undefined
  /** Query heads that share a key head. */
  readonly group: number
  readonly tile: { readonly queries: number; readonly keys: number }
  readonly tensors: Readonly<Record<'query' | 'key' | 'logSumExp' | 'weights', BoundTensor>>
  readonly limits: DispatchLimits
}

const count = ({ start, end }: Range): number => end - start

/** The axes that a kind reduces away, whose parts are put together in the result. */
const reduced: Readonly<Record<WeightsKind, readonly (keyof Omit<WeightsBox, 'continues'>)[]>> = {
  none: [],
  'sum over queries': ['queryTiles'],
  maximum: ['queryTiles'],
  'mean over heads': ['heads'],
  'largest score': ['keyTiles'],
}

/**
 * Cuts the work into dispatches.
 *
 * @throws UnsupportedError when not even a single pair of tiles fits the limits.
 */
export function cutWeights(caller: string, problem: WeightsProblem): WeightsDispatch[] {
  const { kind, choice, sizes, tile, limits } = problem
  const result: WeightsDispatch[] = []
  const cut = (box: WeightsBox): void => {
    const ranges = rangesOf(problem, box)
    const workgroups = workgroupsOf(kind, box)
    const large = Object.values(ranges).some(
      ({ size }) => size > limits.maxStorageBufferBindingSize,
    )
    const many = workgroups.some((number) => number > limits.maxComputeWorkgroupsPerDimension)
    const pairs = count(box.queryTiles) * tile.queries * count(box.keyTiles) * tile.keys
    const work = count(box.batches) * count(box.heads) * pairs * 2 * sizes.headDim
    if (!large && !many && work <= limits.workBudget) {
      return void result.push({ ...box, ranges, workgroups })
    }
    const axes = ['batches', 'heads', 'queryTiles', 'keyTiles'] as const
    const axis = axes.find((name) => count(box[name]) > 1)
    if (axis === undefined && large) {
      throw new UnsupportedError(
        `${caller}: a single tile spans more than the device's maxStorageBufferBindingSize=${limits.maxStorageBufferBindingSize} bytes; use contiguous tensors or request a larger limit`,
      )
    }
    if (axis === undefined) return void result.push({ ...box, ranges, workgroups })
    const { start, end } = box[axis]
    const middle = start + Math.ceil((end - start) / 2)
    cut({ ...box, [axis]: { start, end: middle } })
    const continues = box.continues || reduced[kind].includes(axis)
    cut({ ...box, [axis]: { start: middle, end }, continues })
  }
  const rows = choice.queries.end - choice.queries.start
  cut({
    batches: { start: 0, end: sizes.batch },
    heads: { start: 0, end: choice.heads.length },
    queryTiles: { start: 0, end: Math.ceil(rows / tile.queries) },
    keyTiles: { start: 0, end: Math.ceil(sizes.keys / tile.keys) },
    continues: false,
  })
  return result
}

function workgroupsOf(
  kind: WeightsKind,
  { batches, heads, queryTiles, keyTiles }: WeightsBox,
): readonly [x: number, y: number, z: number] {
  const owns = (axis: keyof Omit<WeightsBox, 'continues'>, range: Range): number =>
    reduced[kind].includes(axis) ? 1 : count(range)
  return [
    owns('keyTiles', keyTiles),
    owns('queryTiles', queryTiles),
    count(batches) * owns('heads', heads),
  ]
}

function rangesOf(
  { kind, choice, sizes, group, tile, tensors, limits, anyKey }: WeightsProblem,
  { batches, heads, queryTiles, keyTiles }: WeightsBox,
): WeightsRanges {
  const { queries } = choice
  const chosen = choice.heads.slice(heads.start, heads.end)
  const queryHeads = { start: Math.min(...chosen), end: Math.max(...chosen) + 1 }
  const keyHeads = {
    start: Math.floor(queryHeads.start / group),
    end: Math.floor((queryHeads.end - 1) / group) + 1,
  }
  const rows = {
    start: queries.start + queryTiles.start * tile.queries,
    end: Math.min(queries.start + queryTiles.end * tile.queries, queries.end),
  }
  const keys = {
    start: keyTiles.start * tile.keys,
    end: Math.min(keyTiles.end * tile.keys, sizes.keys),
  }
  const own = { start: rows.start - queries.start, end: rows.end - queries.start }
  const one = { start: 0, end: 1 }
  const places: Readonly<Record<WeightsKind, readonly [heads: Range, rows: Range]>> = {
    none: [heads, own],
    'sum over queries': [heads, keys],
    maximum: [heads, keys],
    'mean over heads': [one, own],
    'largest score': [heads, own],
  }
  const [ofHeads, ofRows] = places[kind]
  const bound = (name: keyof WeightsRanges, itsHeads: Range, itsRows: Range): BoundRange =>
    boundRange(tensors[name], limits.minStorageBufferOffsetAlignment, batches, itsHeads, itsRows)
  return {
    query: bound('query', queryHeads, rows),
    key: bound('key', keyHeads, anyKey === undefined ? keys : { start: 0, end: anyKey }),
    logSumExp: bound('logSumExp', queryHeads, rows),
    weights: bound('weights', ofHeads, ofRows),
  }
}
