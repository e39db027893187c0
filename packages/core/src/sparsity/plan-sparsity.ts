// Which way of computing a sparse mask visits the fewest tiles: as it stands, in an order of the
// tokens that the mask proposes, or split into passes with an order each. All give the same result.
import type { Mask } from '../expression/mask.ts'
import { blockMapStatistics } from './block-map-statistics.ts'
import type { BlockMap, BlockSizes } from './block-map.ts'
import { createBlockMap, mapWithin } from './create-block-map.ts'
import type { BlockMapShape, TokenOrders } from './create-block-map.ts'
import { leastCommonMultiple } from './follow-diagonal.ts'
import type { OrderProposal } from './order-proposal.ts'
import { partWithout, unionParts } from './split-union.ts'
import { holdsAllKeys, periodicOrder, residueOrder } from './token-order.ts'

/** One pass: all pairs of its mask, which no other pass sees. */
export interface SparsityPass extends TokenOrders {
  readonly mask: Mask
  readonly blockMap: BlockMap
}

/** One way to compute a mask. */
export interface SparsityCandidate {
  /** In words: `one pass in natural order`. */
  readonly name: string
  readonly passes: number
  /** Tiles it visits, over all heads and sequences. */
  readonly tiles: number
  /** Tiles it is worth: those it visits, and two for every row of tiles that a pass merges. */
  readonly cost: number
}

/** The cheapest way to compute a mask and the ways it was compared with. */
export interface SparsityPlan {
  /** The passes of the way chosen. Every query stands in each; results merge by log-sum-exp. */
  readonly passes: readonly SparsityPass[]
  /** All ways that were counted; the first is one pass in natural order. */
  readonly candidates: readonly SparsityCandidate[]
  /** Number of the way chosen. */
  readonly chosen: number
  /** The map of the whole mask in natural order. */
  readonly natural: BlockMap
}

/** What an order of the tokens costs on top, where it saves next to nothing: reads are less regular. */
const orderedTile = 1.1
/** Reading a row of tiles again to merge it is worth so many tiles. */
const mergedRow = 2

/**
 * Looks that orders are tried with: those that suit a pattern take a few hundred for each row of tiles, others may
 * scatter it so that nearly every pair would have to be asked about.
 */
const triedLooks = { least: 2 ** 19, eachRow: 2 ** 9 }

/**
 * Plans the passes of a mask by counting the tiles of every way to compute it: the parts of a union
 * are looked at one by one, and those that one order suits share a pass. A mask without proposals
 * costs no more than its block map, and an order that would scatter the mask is given up before it costs much more
 * than that. Packed sequences stay in natural order.
 *
 * @param mask - Which keys each query sees; its `orders` are what is tried.
 * @param proposals - Orders to try. Default: `mask.orders`.
 * @throws RangeError when a size, offset or parameter is out of range.
 *
 * @example
 * ```ts
 * import { mask, planSparsity } from '@attn/core'
 * const dilated = {
 *   ...mask('dilated', ({ query, key }) => query.sub(key).mod(64).eq(0)),
 *   orders: [{ kind: 'residues', stride: 64 }],
 * } as const
 * const shape = { batch: 1, heads: 1, queryLength: 4096, keyLength: 4096 }
 * const plan = planSparsity(dilated, shape, { queryBlockSize: 64, keyBlockSize: 64 })
 * plan.candidates.map(({ tiles }) => tiles) // => [4096, 64]
 * plan.chosen // => 1
 * ```
 */
export function planSparsity(
  mask: Mask,
  shape: BlockMapShape,
  sizes: BlockSizes,
  proposals: readonly OrderProposal[] = mask.orders ?? [],
): SparsityPlan {
  const passOf = (part: Mask, orders: TokenOrders = {}): SparsityPass => ({
    mask: part,
    ...orders,
    blockMap: createBlockMap(part, shape, sizes, orders),
  })
  const ways: { readonly name: string; readonly passes: readonly SparsityPass[] }[] = []
  const natural = passOf(mask)
  ways.push({ name: 'one pass in natural order', passes: [natural] })
  // Orders have the period of a mask, which begins anew with every packed sequence.
  const arrangements: readonly TokenOrders[] = shape.sequences
    ? []
    : proposals.flatMap((proposal) => ordersOf(proposal, shape, sizes))
  let left = Math.max(triedLooks.least, triedLooks.eachRow * natural.blockMap.queryBlocks)
  /** What a part costs in an order; half of the looks that are left may be spent on it. */
  const triedCost = (part: Mask, orders: TokenOrders): number => {
    const budget = { left: Math.ceil(left / 2) }
    left -= budget.left
    const blockMap = mapWithin(budget, part, shape, sizes, orders)
    left += Math.max(0, budget.left)
    return blockMap ? costOf([{ mask: part, ...orders, blockMap }], shape) : Infinity
  }
  /** The parts of a mask by the orders that suit each best, those in natural order first. */
  const groupByOrders = (whole: Mask): (readonly [TokenOrders, readonly Mask[]])[] => {
    const groups = new Map<TokenOrders, Mask[]>([[naturalOrders, []]])
    for (const part of unionParts(whole)) {
      let best = naturalOrders
      const inNaturalOrder = passOf(part)
      let least = costOf([inNaturalOrder], shape)
      // Full tiles are pairs that every order has to visit: where they abound, none helps much.
      const worthwhile = least > 1.5 * fullTilesOf(inNaturalOrder, shape)
      for (const orders of worthwhile ? arrangements : []) {
        if (!holdsAllKeys(orders.keyOrder, part, shape)) continue
        const cost = triedCost(part, orders)
        if (cost < least) [best, least] = [orders, cost]
      }
      groups.set(best, [...(groups.get(best) ?? []), part])
    }
    return [...groups].filter(([, parts]) => parts.length > 0)
  }
  if (arrangements.length > 0) {
    const groups = groupByOrders(mask)
    const passes = groups.map(([orders, masks], index) => {
      const earlier = groups.slice(0, index).flatMap(([, others]) => others)
      const part = groups.length === 1 ? mask : partWithout(mask, masks, earlier)
      return passOf(part, orders)
    })
    // Splitting alone saves nothing: a union visits no more tiles than its parts together.
    if (groups.some(([orders]) => orders !== naturalOrders)) {
      const names = groups.map(([orders]) => nameOf(orders)).join('; ')
      const count = groups.length === 1 ? 'one pass' : `${groups.length} passes`
      ways.push({ name: `${count}: ${names}`, passes })
    }
  }
  const candidates = ways.map(({ name, passes }) => ({
    name,
    passes: passes.length,
    tiles: passes.reduce((sum, pass) => sum + tilesOf(pass, shape), 0),
    cost: costOf(passes, shape),
  }))
  const costs = candidates.map(({ cost }) => cost)
  const chosen = costs.indexOf(Math.min(...costs))
  return { passes: ways[chosen]!.passes, candidates, chosen, natural: natural.blockMap }
}

const naturalOrders: TokenOrders = {}

function ordersOf(
  proposal: OrderProposal,
  { queryLength, keyLength }: BlockMapShape,
  { queryBlockSize, keyBlockSize }: BlockSizes,
): readonly TokenOrders[] {
  if (proposal.kind === 'residues') {
    const { stride } = proposal
    if (stride < 2 || Math.max(queryLength, keyLength) <= stride) return []
    const tile = leastCommonMultiple(queryBlockSize, keyBlockSize)
    return [
      {
        queryOrder: residueOrder(queryLength, stride, tile),
        keyOrder: residueOrder(keyLength, stride, tile),
      },
    ]
  }
  const { period, first, count } = proposal
  return [{ keyOrder: periodicOrder(keyLength, period, first, count) }]
}

function nameOf({ queryOrder, keyOrder }: TokenOrders): string {
  if (queryOrder && keyOrder) return `queries and keys by ${keyOrder.name}`
  if (keyOrder) return `keys at ${keyOrder.name}`
  return queryOrder ? `queries by ${queryOrder.name}` : 'natural order'
}

/** Heads and sequences that share a map visit its tiles each. */
function copiesOf({ blockMap }: SparsityPass, { batch, heads }: BlockMapShape): number {
  return (batch * heads) / (blockMap.batch * blockMap.heads)
}

function tilesOf(pass: SparsityPass, shape: BlockMapShape): number {
  return blockMapStatistics(pass.blockMap).visited * copiesOf(pass, shape)
}

function fullTilesOf(pass: SparsityPass, shape: BlockMapShape): number {
  return blockMapStatistics(pass.blockMap).full * copiesOf(pass, shape)
}

function costOf(passes: readonly SparsityPass[], shape: BlockMapShape): number {
  return passes.reduce((sum, pass, index) => {
    const tiles = tilesOf(pass, shape) * (pass.queryOrder || pass.keyOrder ? orderedTile : 1)
    const merged = index === 0 ? 0 : mergedRow * pass.blockMap.queryBlocks
    return sum + tiles + merged * shape.batch * shape.heads
  }, 0)
}
