// The passes of a gradient under a mask that proposes orders of the tokens: as in the forward pass, each sees
// pairs that no other does, in an order of its own. Nothing merges: what later passes sum is added to what
// earlier ones wrote. The two kernels have tiles of their own, and so each its own choice.
import { planSparsity } from '@attn/core'
import type { SparsityPass, SparsityPlan } from '@attn/core'
import type { DispatchLimits } from '../dispatch.ts'
import { headBytes } from '../head-bytes.ts'
import type { Call } from '../call.ts'
import { blockMapShape, blockSizes } from '../visibility.ts'
import { tokenTile } from './token-tile.ts'

/** What a kernel makes of the orders that a mask proposes. */
export interface OrderChoice {
  readonly sparsity: SparsityPlan
  /** The passes, where they visit fewer tiles than natural order. */
  readonly passes: readonly SparsityPass[] | undefined
  /** Why so. */
  readonly reason: string
}

/** Whether an order leaves out tokens, which a pass that writes all rows of a gradient must not. */
const leavesOut = (pass: SparsityPass, rowTokens: 'queries' | 'keys'): boolean => {
  const order = rowTokens === 'queries' ? pass.queryOrder : pass.keyOrder
  return (order?.leftOut.length ?? 0) > 0
}

/**
 * Chooses the passes of a kernel; undefined where the mask proposes no order.
 *
 * @param tile - Rows are those of the gradient.
 * @param sumsTables - Whether the kernel sums gradients of tables, which it does in natural order.
 */
export function chooseGradientPasses(
  { shape, dtype, attention }: Call,
  rowTokens: 'queries' | 'keys',
  tile: { readonly rows: number; readonly columns: number },
  { maxStorageBufferBindingSize }: Pick<DispatchLimits, 'maxStorageBufferBindingSize'>,
  sumsTables: boolean,
): OrderChoice | undefined {
  const { mask } = attention
  if (!mask?.orders || mask.orders.length === 0) return undefined
  const sizes = blockSizes(tokenTile(rowTokens, tile))
  const sparsity = planSparsity(mask, blockMapShape(shape, attention), sizes)
  const { chosen, candidates } = sparsity
  const inOrder = (reason: string): OrderChoice => ({ sparsity, passes: undefined, reason })
  if (chosen === 0) return inOrder('no order that the mask proposes visits enough tiles less')
  if (sumsTables) return inOrder('gradients of tables are summed in natural order')
  if (headBytes(shape, dtype) > maxStorageBufferBindingSize) {
    return inOrder(
      `a head is larger than maxStorageBufferBindingSize=${maxStorageBufferBindingSize}, and an order may read it anywhere`,
    )
  }
  const saved = (candidates[0]!.tiles / candidates[chosen]!.tiles).toPrecision(2)
  // The first pass writes every row; one that leaves out none comes first.
  const passes = sparsity.passes.toSorted(
    (a, b) => Number(leavesOut(a, rowTokens)) - Number(leavesOut(b, rowTokens)),
  )
  return { sparsity, passes, reason: `visits ${saved} times fewer tiles than natural order` }
}

/** Whether rows of a gradient must be zeros before the passes, since none of them writes all. */
export function startsFromZeros(
  passes: readonly SparsityPass[] | undefined,
  rowTokens: 'queries' | 'keys',
): boolean {
  return passes !== undefined && leavesOut(passes[0]!, rowTokens)
}
