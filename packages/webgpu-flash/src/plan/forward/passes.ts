// A sparse mask in passes: each sees pairs that no other does, its tokens stand in an order of their
// own, and all merge by log-sum-exp in the output. Every pass is a plan of the same kernel.
import { planSparsity } from '@attn/core'
import type { Mask, SparsityPlan } from '@attn/core'
import { pairwiseRules, scoreRules } from '../../codegen/snippets.ts'
import type { ScoreRules } from '../../codegen/snippets.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { packBlockMap } from '../pack-block-map.ts'
import type { Call } from '../call.ts'
import type { ForwardPlan } from '../plan.ts'
import { splitLongRows } from './split-rows.ts'
import { headBytes } from '../head-bytes.ts'
import { blockMapShape, blockSizes } from '../visibility.ts'

/** What the planner made of a mask that proposes orders. */
export interface PassChoice {
  /** Candidates with their tiles, and the one that visits the fewest. */
  readonly sparsity: SparsityPlan
  /** The candidate that is run. */
  readonly chosen: number
  /** Why that one. */
  readonly reason: string
}

/** The plans that run, one after the other. */
export function passesOf(plan: ForwardPlan): readonly ForwardPlan[] {
  return plan.passes ?? [plan]
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

/** The plan with the passes of a choice, and with its long rows cut. */
export function withPasses(
  plan: ForwardPlan,
  choice: PassChoice | undefined,
  capabilities: Capabilities,
): ForwardPlan {
  if (!choice || choice.chosen === 0) return withSplitRows(plan, capabilities)
  const passes = choice.sparsity.passes.map((pass, index) => {
    const { mask, blockMap, queryOrder, keyOrder } = pass
    const ordered = queryOrder !== undefined || keyOrder !== undefined
    return withSplitRows(
      {
        ...plan,
        blockMap,
        packedMap: packBlockMap(blockMap),
        orders: ordered ? { queryOrder, keyOrder } : undefined,
        rules: rulesOf(mask, plan.call, ordered),
        continues: index > 0,
      },
      capabilities,
    )
  })
  return { ...plan, packedMap: undefined, passes }
}

function rulesOf(mask: Mask, { scoreModifiers, layout }: Call, ordered: boolean): ScoreRules {
  const rules = ordered ? pairwiseRules : scoreRules
  return rules(mask, scoreModifiers, layout)
}

/** Memory that parts of rows may take. */
const mostPartBytes = 2 ** 28

function withSplitRows(plan: ForwardPlan, { limits }: Capabilities): ForwardPlan {
  const { blockMap, packedMap, tile } = plan
  const { shape } = plan.call
  if (!blockMap || !packedMap) return plan
  const splitRows = splitLongRows(blockMap, packedMap, shape.batch * shape.heads, tile.keys)
  if (!splitRows) return plan
  const bytes = partBytes({ ...plan, splitRows })
  const fits = bytes.output <= Math.min(mostPartBytes, limits.maxStorageBufferBindingSize)
  return fits && tile.queries % 8 === 0 ? { ...plan, splitRows } : plan
}

/** Bytes of the buffers that parts of rows are written to. */
export function partBytes({ call: { shape }, tile, splitRows }: ForwardPlan): {
  readonly output: number
  readonly logSumExp: number
} {
  const rows = shape.batch * shape.heads * (splitRows?.parts ?? 0) * tile.queries
  return { output: 16 * rows * Math.ceil(shape.valueDim / 4), logSumExp: 4 * rows }
}
