// Planning: from sizes, expressions and limits to everything a run needs, without touching a GPU.
import type { BlockMap, TokenOrders } from '@attn/core'
import type { Access } from '../codegen/access.ts'
import type { ScoreRules } from '../codegen/snippets.ts'
import { tokenFunctions } from '../codegen/token-order.ts'
import type { Capabilities } from '../device/capabilities.ts'
import { forwardKernel } from '../kernels/forward/forward.wgsl.ts'
import { forwardMatrixKernel } from '../kernels/forward/matrix/forward-matrix.wgsl.ts'
import { mergePartsKernel } from '../kernels/forward/merge-parts.wgsl.ts'
import { forwardSplitKernel } from '../kernels/forward/split/forward-split.wgsl.ts'
import { forwardFields, withOptionalFields } from '../kernels/parameters.ts'
import { resolveCall } from './call.ts'
import type { Call } from './call.ts'
import { decideDecode } from './decode/decode-choice.ts'
import type { DecodeDecision } from './decode/decode-choice.ts'
import { chooseForwardTile } from './forward/choose-forward-tile.ts'
import { arrangeTiles } from './forward/masked-tile.ts'
import { matrixMemory } from './forward/matrix-tile.ts'
import type { HalvesPerElement, MatrixTile } from './forward/matrix-tile.ts'
import { withPasses } from './forward/passes.ts'
import type { PassChoice } from './forward/passes.ts'
import { planSplitProducts } from './forward/split-products.ts'
import type { SplitProducts } from './forward/split-products.ts'
import type { SplitRows } from './forward/split-rows.ts'
import { tileMemory } from './forward/tiles.ts'
import type { ForwardTile, TileMemory } from './forward/tiles.ts'
import { packBlockMap } from './pack-block-map.ts'
import type { PackedBlockMap } from './pack-block-map.ts'
import type { PlanOptions } from './plan-options.ts'
import type { TileOrigin, TunedTiles, Tuning } from './tuning.ts'

/** A plan as data. */
export interface ForwardPlan extends DecodeDecision {
  readonly call: Call
  readonly tile: ForwardTile
  /** Where the tile comes from. */
  readonly tileOrigin: TileOrigin
  /** What was measured on this device for calls like this one. */
  readonly tuned: TunedTiles
  readonly memory: TileMemory
  /** Set where the kernel is the one on subgroup matrices; `tile` then says the same in its words. */
  readonly matrix: MatrixTile | undefined
  /** Float16 numbers that the kernel on subgroup matrices takes an element as. Default: 1. */
  readonly halves?: HalvesPerElement
  /** Set where the call is computed by products of halves if its numbers allow for it. */
  readonly split?: SplitProducts | undefined
  /**
   * Of the tiles of this kernel; undefined where nothing is hidden and all are visited, and for the
   * decode kernel, whose chunks come with each call.
   */
  readonly blockMap: BlockMap | undefined
  readonly packedMap: PackedBlockMap | undefined
  /** The rules of the call, or of a pass whose pairs are fewer. */
  readonly rules: ScoreRules
  /** Plans of the passes that a sparse mask is computed in, instead of this one; see passes.ts. */
  readonly passes?: readonly ForwardPlan[]
  /** The choice among them, of a mask that proposes orders. */
  readonly passChoice?: PassChoice | undefined
  /** The orders that the tokens of this pass stand in. Default: natural. */
  readonly orders?: TokenOrders | undefined
  /** Whether an earlier pass wrote the output. Default: false. */
  readonly continues?: boolean
  /** Long rows that several workgroups share. Default: none. */
  readonly splitRows?: SplitRows
}

/**
 * Plans a forward pass.
 *
 * @param tuning - Tiles measured on this device. Default: none, the model chooses.
 * @throws RangeError for sizes and values out of range, TypeError for things of the wrong kind.
 */
export function planForward(
  options: PlanOptions,
  capabilities: Capabilities,
  tuning?: Tuning,
): ForwardPlan {
  const call = resolveCall(options, capabilities)
  const { shape, dtype, lengthsPerCall } = call
  const { headDim, valueDim, queryLength } = shape
  const masked = call.attention.mask !== undefined
  const asked = { dtype, headDim, valueDim, queryLength, masked }
  const answer = lengthsPerCall ? undefined : tuning?.find(asked)
  const chosen = chooseForwardTile(shape, dtype, capabilities, options.tile, answer)
  const { decodes, origin, tuned } = chosen
  const decision: DecodeDecision = decodes
    ? decideDecode(call, options.decodeTile, capabilities)
    : {}
  const { decode } = decision
  // Halves of float32 are taken in natural order.
  const ordered = options.tile !== 'subgroup-matrix' || chosen.matrix !== undefined
  const { tile, matrix, blockMap, passChoice } = decode
    ? { ...chosen, blockMap: undefined, passChoice: undefined }
    : arrangeTiles(call, ordered, chosen, capabilities)
  const plan: ForwardPlan = {
    call,
    tile,
    tileOrigin: tuned.forward?.tile === 'decode' && !decode ? withoutDecode : origin,
    tuned,
    memory: tileMemory(tile, valueDim),
    matrix: decode ? undefined : matrix,
    blockMap,
    packedMap: blockMap && packBlockMap(blockMap),
    rules: call.rules,
    passChoice,
    ...decision,
  }
  const planned = withPasses(plan, passChoice, capabilities)
  return { ...planned, split: planSplitProducts(planned, options, capabilities) }
}

const withoutDecode: TileOrigin = {
  kind: 'model',
  ignored: 'the decode kernel was the fastest, which this call cannot use',
}

/** How the four tensors are accessed; decides the text of the kernel. */
export interface ForwardAccesses {
  readonly query: Access
  readonly key: Access
  readonly value: Access
  readonly output: Access
}

/**
 * The WGSL of a plan (or of one of its passes) for tensors with these accesses.
 *
 * @param parts - Whether it computes parts of long rows. Default: false.
 */
export function forwardCode(plan: ForwardPlan, accesses: ForwardAccesses, parts = false): string {
  const { shape, attention, layout, shortText } = plan.call
  const { headDim, valueDim } = shape
  const config = {
    headDim,
    valueDim,
    ...accesses,
    rules: plan.rules,
    shortText,
    blockMap: plan.blockMap !== undefined,
    tokens: plan.orders && tokenFunctions(plan.orders, plan.tile),
    sinks: attention.sinks !== undefined,
    dropout: attention.dropout !== undefined,
    descriptorWords: layout.descriptorWords,
    parameterWords: layout.parameters.length,
  }
  if (plan.matrix) {
    const memory = matrixMemory(plan.matrix, headDim, valueDim, plan.halves)
    const wholeTiles = !config.blockMap && shape.keyLength % plan.matrix.keys === 0
    const kernel = plan.halves === 2 ? forwardSplitKernel : forwardMatrixKernel
    return kernel({ ...config, parts, tile: plan.matrix, memory, wholeTiles })
  }
  return forwardKernel({ ...config, parts, tile: plan.tile, memory: plan.memory })
}

/** The WGSL that merges the parts of long rows into an output with this access. */
export function mergePartsCode(
  { orders, tile, call: { shape, attention, layout } }: ForwardPlan,
  output: Access,
): string {
  return mergePartsKernel({
    tileQueries: tile.queries,
    valueDim: shape.valueDim,
    output,
    tokens: tokenFunctions(orders ?? {}, tile),
    fields: withOptionalFields(forwardFields, {
      sinks: attention.sinks !== undefined,
      dropout: attention.dropout !== undefined,
    }),
    descriptorWords: layout.descriptorWords,
    parameterWords: layout.parameters.length,
  })
}
