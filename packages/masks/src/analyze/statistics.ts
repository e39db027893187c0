// What a mask costs: how many pairs it leaves, how evenly, and how much of the work of a kernel that
// computes whole tiles is spent on them. FLOPs are counted as in FlashAttention-2 (arXiv 2307.08691).
import { blockMapRow, checkOptions, createBlockMap, rangeError } from '@attn/core'
import type { BlockMap, Mask, OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { pairTest, planeOf } from './plane.ts'
import type { Plane, PlaneOptions } from './plane.ts'

/** What to count. */
export interface StatisticsOptions extends PlaneOptions {
  /** D: width of queries and keys, for FLOPs. Default: 64. */
  readonly headDim?: number | undefined
  /** Dv: width of values, for FLOPs. Default: `headDim`. */
  readonly valueDim?: number | undefined
  /** Queries in a tile. Default: 64. */
  readonly queryBlockSize?: number | undefined
  /** Keys in a tile. Default: 64. */
  readonly keyBlockSize?: number | undefined
}

/** Counts for one head of one sequence. */
export interface MaskStatistics {
  /** Visible pairs. */
  readonly pairs: number
  /** Visible pairs / (L S). */
  readonly density: number
  /** Keys that each query sees. */
  readonly rowCounts: Int32Array
  /** Fewest, most and average keys of a query. */
  readonly rows: { readonly minimum: number; readonly maximum: number; readonly mean: number }
  /** Queries that see no key; their output is 0 and their logSumExp -Infinity. */
  readonly emptyRows: number
  /**
   * Floating-point operations of the two products over visible pairs, 2 (D + Dv) each, and 2.5 times
   * that for the backward pass.
   */
  readonly flops: { readonly forward: number; readonly backward: number }
  /** Tiles a block-sparse kernel visits, of how many. */
  readonly tiles: {
    readonly total: number
    readonly partial: number
    readonly full: number
    /** Visible pairs / pairs in visited tiles: the share of the work that counts. */
    readonly efficiency: number
  }
}

const statisticsOptions: OptionNames<StatisticsOptions> = {
  queryLength: true,
  queryOffset: true,
  head: true,
  batch: true,
  parameters: true,
  headDim: true,
  valueDim: true,
  queryBlockSize: true,
  keyBlockSize: true,
}

/**
 * Counts what a mask leaves of the score matrix, for one head of one sequence. Where a tile is
 * full it is counted whole, elsewhere pair by pair, so the work is proportional to the edge of the pattern.
 *
 * @param length - S: keys, and queries unless `queryLength` says otherwise.
 * @throws RangeError when a size is not a whole number of at least 1.
 *
 * @example
 * ```ts
 * import { maskStatistics, slidingWindow } from '@attn/masks'
 * const { pairs, density, rows, tiles } = maskStatistics(slidingWindow(127), 4096)
 * pairs // => 516_160
 * density // => 0.031
 * rows // => { minimum: 1, maximum: 128, mean: 126.015625 }
 * tiles.efficiency // => 0.667
 * ```
 */
export function maskStatistics(
  mask: Mask,
  length: number,
  options: StatisticsOptions = {},
): MaskStatistics {
  checkOptions('maskStatistics', options, statisticsOptions)
  const { headDim = 64, valueDim = headDim, queryBlockSize = 64, keyBlockSize = 64 } = options
  const plane = planeOf('maskStatistics', length, options)
  for (const [name, value] of Object.entries({ headDim, valueDim, queryBlockSize, keyBlockSize })) {
    checkInteger('maskStatistics', name, value, 1)
  }
  const { queryLength, keyLength, head, batch, queryOffset, parameters } = plane
  const shape = {
    batch: batch + 1,
    heads: head + 1,
    queryLength,
    keyLength,
    queryOffset,
    parameters,
  }
  const map = createBlockMap(mask, shape, { queryBlockSize, keyBlockSize })
  const tiles = { total: map.queryBlocks * map.keyBlocks, partial: 0, full: 0 }
  for (let block = 0; block < map.queryBlocks; block++) {
    for (const { start, end, full } of blockMapRow(map, batch, head, block)) {
      tiles[full ? 'full' : 'partial'] += end - start
    }
  }
  const isFine = Math.min(queryBlockSize, keyBlockSize) <= fineBlock
  const counted =
    isFine || queryLength * keyLength > mostFinePairs
      ? map
      : createBlockMap(mask, shape, { queryBlockSize: fineBlock, keyBlockSize: fineBlock })
  const rowCounts = countRows(mask, plane, counted)
  const pairs = rowCounts.reduce((sum, count) => sum + count, 0)
  const forward = 2 * (headDim + valueDim) * pairs
  const computed = (tiles.partial + tiles.full) * queryBlockSize * keyBlockSize
  return {
    pairs,
    density: pairs / (queryLength * keyLength),
    rowCounts,
    rows: {
      minimum: rowCounts.reduce((least, count) => Math.min(least, count)),
      maximum: rowCounts.reduce((most, count) => Math.max(most, count)),
      mean: pairs / queryLength,
    },
    emptyRows: rowCounts.filter((count) => count === 0).length,
    flops: { forward, backward: 2.5 * forward },
    tiles: { ...tiles, efficiency: computed === 0 ? 1 : pairs / computed },
  }
}

/** Tiles in which pairs are counted: fewer are partial than of a kernel's tiles. */
const fineBlock = 8
/** Of more pairs the list of fine tiles could be long. */
const mostFinePairs = 2 ** 26

/** Keys that each query sees: full tiles are counted whole, partial ones pair by pair. */
function countRows(mask: Mask, plane: Plane, map: BlockMap): Int32Array {
  const { queryLength, keyLength, head, batch } = plane
  const { queryBlockSize, keyBlockSize } = map
  const visible = pairTest(mask, plane)
  const rowCounts = new Int32Array(queryLength)
  for (let block = 0; block < map.queryBlocks; block++) {
    const first = block * queryBlockSize
    const last = Math.min(first + queryBlockSize, queryLength)
    for (const { start, end, full } of blockMapRow(map, batch, head, block)) {
      const from = start * keyBlockSize
      const to = Math.min(end * keyBlockSize, keyLength)
      for (let row = first; row < last; row++) {
        if (full) rowCounts[row]! += to - from
        else for (let key = from; key < to; key++) rowCounts[row]! += visible(row, key) ? 1 : 0
      }
    }
  }
  return rowCounts
}

/** Where to measure growth. */
export interface ComplexityOptions {
  /** Sequence lengths to measure at, at least two different ones. Default: 256, 512, 1024, 2048. */
  readonly lengths?: readonly number[] | undefined
  /** Query head to look at. Default: 0. */
  readonly head?: number | undefined
}

const complexityOptions: OptionNames<ComplexityOptions> = { lengths: true, head: true }

/**
 * The exponent e with which a family of masks grows, pairs ~ n^e: 2 for dense attention, 1.5 for the
 * Sparse Transformer's at l = sqrt(n), 1 for windows. The slope of a least-squares line through
 * (log n, log pairs), so constant and lower-order terms still show at small n.
 *
 * @param maskFor - The mask for a sequence of n tokens.
 * @throws RangeError for fewer than two different lengths, or a mask that leaves no pair.
 *
 * @example
 * ```ts
 * import { balancedStride, causal, complexityExponent, strided } from '@attn/masks'
 * complexityExponent((length) => strided(balancedStride(length)).merged()) // => 1.5
 * complexityExponent(() => causal()) // => 2.0
 * ```
 */
export function complexityExponent(
  maskFor: (length: number) => Mask,
  options: ComplexityOptions = {},
): number {
  checkOptions('complexityExponent', options, complexityOptions)
  const { lengths = [256, 512, 1024, 2048], head = 0 } = options
  if (new Set(lengths).size < 2) {
    throw rangeError(
      `complexityExponent: need at least two different lengths, got [${lengths.join(', ')}]`,
    )
  }
  const points = lengths.map((length) => {
    const { pairs } = maskStatistics(maskFor(length), length, { head })
    if (pairs === 0) {
      throw rangeError(`complexityExponent: the mask leaves no pair at length ${length}`)
    }
    return { x: Math.log(length), y: Math.log(pairs) }
  })
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  const centre = mean(points.map(({ x }) => x))
  return (
    mean(points.map(({ x, y }) => (x - centre) * y)) /
    mean(points.map(({ x }) => (x - centre) ** 2))
  )
}
