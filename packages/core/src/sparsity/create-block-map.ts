// Plans a block map without a look at every pair, as FlexAttention (arXiv 2412.05496) needs. Bounds
// decide most rectangles of tiles whole, so that only the tiles on the edge of the pattern are work;
// and where the mask repeats along the diagonal, only its first rows and columns are.
import { rangeError, shapeError } from '../errors.ts'
import type { IntegerList } from '../integer-list.ts'
import { checkOptions } from '../check-options.ts'
import type { OptionNames } from '../check-options.ts'
import { checkAttentionShape, resolveForAnyTables } from '../attention/options.ts'
import type { AttentionShape } from '../attention/options.ts'
import type { PackedSequences } from '../attention/packed-sequences.ts'
import { compileBounds } from '../expression/bounds.ts'
import { boolean } from '../expression/expression.ts'
import type { Mask } from '../expression/mask.ts'
import { dependencies } from '../expression/dependencies.ts'
import type { Coordinate, ExpressionNode } from '../expression/node.ts'
import { translation } from '../expression/translation.ts'
import { checkBlockSizes } from './block-map.ts'
import type { BlockMap, BlockSizes } from './block-map.ts'
import { leaveOutGaps } from './leave-out-gaps.ts'
import { outOfLooks } from './look.ts'
import type { LookBudget } from './look.ts'
import { mapPlane } from './map-plane.ts'
import type { PlaneSettings } from './map-plane.ts'
import { joinRows } from './row-runs.ts'
import type { RowRuns } from './row-runs.ts'
import { stepOf } from './token-order.ts'
import type { TokenOrder } from './token-order.ts'

/** What a block map is made for. */
export interface BlockMapShape {
  /** B: sequences. */
  readonly batch: number
  /** H: query heads. */
  readonly heads: number
  /** L: queries in each sequence. */
  readonly queryLength: number
  /** S: keys in each sequence. */
  readonly keyLength: number
  /** Sequences packed end to end, as in the options of attention. Default: none are packed. */
  readonly sequences?: PackedSequences | undefined
  /** Position of the first query. Default: (`keyLengths[b]` or keyLength) - queryLength. */
  readonly queryOffset?: number | IntegerList | undefined
  /** Keys that count in each sequence; later ones are padding. Default: all. */
  readonly keyLengths?: IntegerList | undefined
  /** Parameters that are known. The map holds for every value of one that is left out. */
  readonly parameters?: Readonly<Record<string, number>> | undefined
}

/** The orders that rows and columns of a block map stand in. */
export interface TokenOrders {
  /** Default: natural. */
  readonly queryOrder?: TokenOrder | undefined
  /** Default: natural. A key that is left out must be seen by no query: see `holdsAllKeys`. */
  readonly keyOrder?: TokenOrder | undefined
}

const blockMapShape: OptionNames<BlockMapShape & AttentionShape> = {
  batch: true,
  heads: true,
  queryLength: true,
  keyLength: true,
  sequences: true,
  queryOffset: true,
  keyLengths: true,
  parameters: true,
  // What a whole shape of attention has, which decides nothing here.
  kvHeads: true,
  headDim: true,
  valueDim: true,
}
const tokenOrders: OptionNames<TokenOrders> = { queryOrder: true, keyOrder: true }

/**
 * Which tiles of the score matrix a mask leaves empty, fills in part, or fills.
 *
 * Exact wherever the mask is computed in integers: a tile is absent only if no pair in it is visible
 * and full only if all are. Comparisons of floats that come out equal but for rounding, and parameters
 * that are not given, leave a tile partial.
 *
 * Sequences and heads share a map unless the mask or the lengths tell them apart.
 *
 * Under a token order the rows and columns of the map are slots; the mask sees the positions of the
 * tokens that stand there. A tile that holds a gap among its keys is never full.
 *
 * @param mask - Which keys each query sees; undefined for all.
 * @param orders - In which slots queries and keys stand. Default: slot i holds token i.
 * @throws RangeError when a size, offset or parameter is out of range.
 * @throws TypeError when `mask` is not a mask.
 *
 * @example
 * ```ts
 * import { blockMapRow, createBlockMap, mask } from '@attn/core'
 * const causal = mask('causal', ({ query, key }) => key.le(query))
 * const shape = { batch: 1, heads: 1, queryLength: 256, keyLength: 256 }
 * const map = createBlockMap(causal, shape, { queryBlockSize: 64, keyBlockSize: 64 })
 * blockMapRow(map, 0, 0, 2) // => [{ start: 0, end: 2, full: true }, { start: 2, end: 3, full: false }]
 * ```
 */
export function createBlockMap(
  mask: Mask | undefined,
  shape: BlockMapShape,
  sizes: BlockSizes,
  orders: TokenOrders = {},
): BlockMap {
  return mapOf(mask, shape, sizes, orders, undefined)
}

/** The same, or undefined where more looks would be needed than a budget has left. */
export function mapWithin(
  budget: LookBudget,
  mask: Mask,
  shape: BlockMapShape,
  sizes: BlockSizes,
  orders: TokenOrders,
): BlockMap | undefined {
  try {
    return mapOf(mask, shape, sizes, orders, budget)
  } catch (error) {
    if (error === outOfLooks) return undefined
    throw error
  }
}

function mapOf(
  mask: Mask | undefined,
  shape: BlockMapShape,
  sizes: BlockSizes,
  orders: TokenOrders,
  budget: LookBudget | undefined,
): BlockMap {
  checkOptions('createBlockMap', shape, blockMapShape)
  checkOptions('createBlockMap', orders, tokenOrders)
  const { queryOrder, keyOrder } = orders
  const { batch, heads, queryLength, keyLength, ...options } = shape
  const { queryBlockSize, keyBlockSize } = sizes
  const lengths = { batch, heads, kvHeads: 1, queryLength, keyLength, headDim: 1, valueDim: 1 }
  checkAttentionShape('createBlockMap', lengths)
  checkBlockSizes('createBlockMap', sizes)
  const resolved = resolveForAnyTables('createBlockMap', lengths, {
    ...options,
    ...(mask && { mask }),
  })
  const { mask: whole, queryOffsets, keyLengths, sequences } = resolved

  checkOrders(orders, queryLength, keyLength)
  const { node } = whole?.expression ?? boolean(true)
  const uses = dependencies(node).coordinates
  const separateSequences =
    uses.has('batch') || differ(keyLengths) || (uses.has('query') && differ(queryOffsets))
  const mappedBatch = separateSequences ? batch : 1
  const mappedHeads = uses.has('head') ? heads : 1
  const turn = headsInTurn(node, mappedHeads)
  const [queryStep, keyStep] = [stepOf(queryOrder), stepOf(keyOrder)]
  const querySlots = queryOrder?.slots ?? queryLength
  const keySlots = keyOrder?.slots ?? keyLength
  const planes: RowRuns[] = []
  for (let sequence = 0; sequence < mappedBatch; sequence++) {
    const known: PlaneSettings['known'] = new Map()
    const members: PlaneSettings['members'] = new Map()
    for (let head = 0; head < mappedHeads; head++) {
      if (head >= turn) {
        planes.push(planes.at(-turn)!)
        continue
      }
      const plane = {
        batch: sequence,
        head,
        heads,
        queryLength,
        keyLength,
        queryOffset: queryOffsets[sequence]!,
        querySlots,
        keySlots: keyOrder ? keySlots : keyLengths[sequence]!,
        queryTokens: queryOrder && compileBounds(queryOrder.expression),
        keyTokens: keyOrder && compileBounds(keyOrder.expression),
      }
      const rows = mapPlane(node, {
        plane,
        sizes,
        environment: options,
        queryStep,
        keyStep,
        packed: sequences && { sequences, mask: (mask?.expression ?? boolean(true)).node },
        known,
        members,
        budget,
      })
      planes.push(leaveOutGaps(rows, plane, sizes, keyLengths[sequence]!))
    }
  }
  const keyBlocks = Math.ceil(keySlots / keyBlockSize)
  return {
    kind: 'blockMap',
    queryLength: querySlots,
    keyLength: keySlots,
    queryBlockSize,
    keyBlockSize,
    queryBlocks: Math.ceil(querySlots / queryBlockSize),
    keyBlocks,
    batch: mappedBatch,
    heads: mappedHeads,
    ...joinRows(planes, keyBlocks),
  }
}

function checkOrders(
  { queryOrder, keyOrder }: TokenOrders,
  queryLength: number,
  keyLength: number,
): void {
  const check = (name: string, order: TokenOrder | undefined, length: number): void => {
    if (order && order.length !== length) {
      throw shapeError(
        `createBlockMap: ${name} must be for ${length} tokens, got one for ${order.length}`,
      )
    }
  }
  check('queryOrder', queryOrder, queryLength)
  check('keyOrder', keyOrder, keyLength)
  if (queryOrder && queryOrder.leftOut.length > 0) {
    throw rangeError('createBlockMap: queryOrder must hold every query, got one that does not')
  }
}

/** After how many heads a mask looks the same again; all of them if it never does. */
function headsInTurn(mask: ExpressionNode, heads: number): number {
  for (let turn = 1; turn < heads; turn++) {
    if (translation(mask, turn, new Set<Coordinate>(['head'])) === 0) return turn
  }
  return heads
}

function differ(values: Int32Array): boolean {
  return values.some((value) => value !== values[0])
}

/**
 * The block map of no mask at all: every tile, full but for those at the end of the keys.
 *
 * @throws RangeError when a size is out of range.
 *
 * @example
 * ```ts
 * import { blockMapStatistics, denseBlockMap } from '@attn/core'
 * const shape = { batch: 1, heads: 1, queryLength: 64, keyLength: 96 }
 * const map = denseBlockMap(shape, { queryBlockSize: 32, keyBlockSize: 32 })
 * blockMapStatistics(map).visited // => 6
 * ```
 */
export function denseBlockMap(shape: BlockMapShape, sizes: BlockSizes): BlockMap {
  return createBlockMap(undefined, shape, sizes)
}
