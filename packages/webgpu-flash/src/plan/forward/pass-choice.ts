// The passes that a sparse mask is computed in: each sees pairs that no other does, and its tokens stand in an order of
// their own. The planner counts the tiles that the orders of a mask would visit, and those of natural order.
import { planSparsity } from '@attn/core'
import type { BlockMap, SparsityPlan } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import type { Call } from '../call.ts'
import { headBytes } from '../head-bytes.ts'
import { blockMapShape, blockSizes } from '../visibility.ts'
import type { ForwardKernel } from './forward-kernel.ts'
import { hasManyPartial } from './masked-cost.ts'

/** What the planner made of a mask that proposes orders. */
export interface PassChoice {
  /** Candidates with their tiles, and the one that visits the fewest. */
  readonly sparsity: SparsityPlan
  /** The candidate that is run. */
  readonly chosen: number
  /** Why that one. */
  readonly reason: string
}

/**
 * Chooses the passes of a mask that proposes orders; undefined where it proposes none.
 *
 * @param tile - The tile, which visits as many in natural order.
 */
export function choosePasses(
  { shape, dtype, attention }: Call,
  tile: { readonly queries: number; readonly keys: number },
  { limits }: Capabilities,
): PassChoice | undefined {
  const { mask } = attention
  if (!mask?.orders || mask.orders.length === 0) return undefined
  const fits = headBytes(shape, dtype) <= limits.maxStorageBufferBindingSize
  const sparsity = planSparsity(
    mask,
    blockMapShape(shape, attention),
    blockSizes(tile),
    fits ? mask.orders : [],
  )
  const { chosen, candidates } = sparsity
  const [natural] = candidates
  const best = candidates[chosen]!
  if (!fits) {
    const reason = `a head is larger than maxStorageBufferBindingSize=${limits.maxStorageBufferBindingSize}, and an order may read it anywhere`
    return { sparsity, chosen: 0, reason }
  }
  const reason =
    chosen === 0
      ? 'no order that the mask proposes visits enough tiles less'
      : `visits ${(natural!.tiles / best.tiles).toPrecision(2)} times fewer tiles than natural order`
  return { sparsity, chosen, reason }
}

/** A kernel, and what is visible in tiles of its size. */
export interface Arrangement {
  readonly kernel: ForwardKernel
  /** In natural order; undefined where all tiles are visited. */
  readonly blockMap: BlockMap | undefined
  /** Undefined where the mask proposes no order. */
  readonly choice: PassChoice | undefined
}

/** The first kernel with its passes, or another of the same kind that suits the mask better. */
export function arrangePasses(
  call: Call,
  [first, ...others]: readonly [ForwardKernel, ...ForwardKernel[]],
  capabilities: Capabilities,
): Arrangement {
  const arrange = (kernel: ForwardKernel): Arrangement => {
    const choice = choosePasses(call, kernel.tile, capabilities)
    const natural = choice?.sparsity.natural
    return {
      kernel,
      blockMap: natural ?? call.visibility.blockMap(blockSizes(kernel.tile)),
      choice,
    }
  }
  const preferred = arrange(first)
  if (others.length === 0 || !call.attention.mask) return preferred
  if (!hasManyPartial(mapsOf(preferred))) return preferred
  const costOf = (one: Arrangement): number => one.kernel.cost(mapsOf(one), asksPairs(call, one))
  return others
    .map(arrange)
    .reduce((best, one) => (costOf(one) < costOf(best) ? one : best), preferred)
}

/** Whether all tokens stand in natural order, and one pass sees all pairs. */
export function isInOrder({ choice }: Pick<Arrangement, 'choice'>): boolean {
  return !choice || choice.chosen === 0
}

/** Whether every pair of a partial tile is asked, or keys are compared with the ends of what a row sees. */
export function asksPairs({ rules }: Call, arrangement: Pick<Arrangement, 'choice'>): boolean {
  return rules.shownKeys === undefined || !isInOrder(arrangement)
}

/** The maps of the passes that a mask is computed in. */
function mapsOf(arrangement: Arrangement): readonly BlockMap[] {
  const { blockMap, choice } = arrangement
  return !choice || isInOrder(arrangement)
    ? [blockMap!]
    : choice.sparsity.passes.map((pass) => pass.blockMap)
}
