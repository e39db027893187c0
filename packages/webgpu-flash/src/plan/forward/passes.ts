// A call in passes of one kernel, which merge by log-sum-exp in the output: one, or where a sparse mask is faster in
// orders of the tokens several; see pass-choice.ts.
import type { BlockMap, TokenOrders } from '@attn/core'
import { pairwiseRules, scoreRules } from '../../codegen/snippets.ts'
import type { ScoreRules } from '../../codegen/snippets.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import type { Call } from '../call.ts'
import { packBlockMap } from '../pack-block-map.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import type { ForwardKernel } from './forward-kernel.ts'
import type { Arrangement } from './pass-choice.ts'
import { splitLongRows } from './split-rows.ts'
import type { SplitRows } from './split-rows.ts'

/** One pass of a kernel over a call. */
export interface ForwardPass<Kernel extends ForwardKernel = ForwardKernel> {
  readonly call: Call
  readonly kernel: Kernel
  /** Of the kernel's tiles; undefined where nothing is hidden and all are visited. */
  readonly blockMap: BlockMap | undefined
  readonly packedMap: PackedBlockMap | undefined
  /** The rules of the call, or of a pass whose pairs are fewer. */
  readonly rules: ScoreRules
  /** The orders that its tokens stand in; undefined for natural ones. */
  readonly orders: TokenOrders | undefined
  /** Whether an earlier pass wrote the output. */
  readonly continues: boolean
  /** Long rows that several workgroups share; undefined where there are none. */
  readonly longRows: SplitRows | undefined
}

/** Passes, one after the other. */
export type ForwardPasses<Kernel extends ForwardKernel = ForwardKernel> = readonly [
  ForwardPass<Kernel>,
  ...ForwardPass<Kernel>[],
]

/** The pass of a call whose tokens stand in natural order. */
export function naturalPass(
  call: Call,
  kernel: ForwardKernel,
  blockMap: BlockMap | undefined,
): ForwardPass {
  return {
    call,
    kernel,
    blockMap,
    packedMap: blockMap && packBlockMap(blockMap),
    rules: call.rules,
    orders: undefined,
    continues: false,
    longRows: undefined,
  }
}

/** The passes of an arrangement, with their long rows cut. */
export function passesOf(
  call: Call,
  { kernel, blockMap, choice }: Arrangement,
  capabilities: Capabilities,
): ForwardPasses {
  const { scoreModifiers, layout } = call
  if (!choice || choice.chosen === 0) {
    return [withLongRows(naturalPass(call, kernel, blockMap), capabilities)]
  }
  const [first, ...others] = choice.sparsity.passes.map((pass, index): ForwardPass => {
    const { mask, blockMap, queryOrder, keyOrder } = pass
    const ordered = queryOrder !== undefined || keyOrder !== undefined
    const rules = ordered ? pairwiseRules : scoreRules
    const own = {
      ...naturalPass(call, kernel, blockMap),
      rules: rules(mask, scoreModifiers, layout),
      orders: ordered ? { queryOrder, keyOrder } : undefined,
      continues: index > 0,
    }
    return withLongRows(own, capabilities)
  })
  return [first!, ...others]
}

/** Memory that parts of rows may take. */
const mostPartBytes = 2 ** 28

function withLongRows(pass: ForwardPass, { limits }: Capabilities): ForwardPass {
  const { call, kernel, blockMap, packedMap } = pass
  if (!blockMap || !packedMap) return pass
  const { batch, heads } = call.shape
  const longRows = splitLongRows(blockMap, packedMap, batch * heads, kernel.tile.keys)
  if (!longRows) return pass
  const cut = { ...pass, longRows }
  const fits = partBytes(cut).output <= Math.min(mostPartBytes, limits.maxStorageBufferBindingSize)
  return fits && kernel.tile.queries % 8 === 0 ? cut : pass
}

/** Bytes of the buffers that parts of rows are written to. */
export function partBytes({ call: { shape }, kernel, longRows }: ForwardPass): {
  readonly output: number
  readonly logSumExp: number
} {
  const rows = shape.batch * shape.heads * (longRows?.parts ?? 0) * kernel.tile.queries
  return { output: 16 * rows * Math.ceil(shape.valueDim / 4), logSumExp: 4 * rows }
}
