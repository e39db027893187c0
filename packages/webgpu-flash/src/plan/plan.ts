// Planning: from sizes, expressions and limits to everything a run needs, without touching a GPU.
import { packedRow } from '../codegen/access.ts'
import { isDType } from '../gpu-tensor.ts'
import {
  checkAttentionOptions,
  checkAttentionShape,
  floatExpression,
  rangeError,
  resolveOptions,
  typeError,
} from '@attn/core'
import type { AttentionShape, BlockMap, DType, ResolvedAttention, TokenOrders } from '@attn/core'
import type { Access } from '../codegen/access.ts'
import { composeLookups } from '../codegen/compose-lookups.ts'
import { checkOperations } from '../codegen/expression-limit.ts'
import { counterNodes, dataLayout, packData } from '../codegen/data-layout.ts'
import type { DataLayout, PackedData } from '../codegen/data-layout.ts'
import { tokenFunctions } from '../codegen/token-order.ts'
import { scoreRules } from '../codegen/snippets.ts'
import type { ScoreRules } from '../codegen/snippets.ts'
import type { Capabilities } from '../device/capabilities.ts'
import { isSoftware } from '../device/software.ts'
import { forwardKernel } from '../kernels/forward/forward.wgsl.ts'
import { forwardMatrixKernel } from '../kernels/forward/matrix/forward-matrix.wgsl.ts'
import { forwardSplitKernel } from '../kernels/forward/split/forward-split.wgsl.ts'
import { mergePartsKernel } from '../kernels/forward/merge-parts.wgsl.ts'
import { forwardFields, withOptionalFields } from '../kernels/parameters.ts'
import { checkLengthsOption, decideDecode } from './decode/decode-choice.ts'
import type { DecodeDecision } from './decode/decode-choice.ts'
import { headWords } from './head-words.ts'
import { planOptionNames } from './plan-options.ts'
import type { PlanOptions } from './plan-options.ts'
import { checkWidths } from './widths.ts'
import { resolveRope } from './rotate/rope-options.ts'
import type { ResolvedRope } from './rotate/rope-options.ts'
import { chooseForwardTile } from './forward/choose-forward-tile.ts'
import { matrixMemory } from './forward/matrix-tile.ts'
import type { HalvesPerElement, MatrixTile } from './forward/matrix-tile.ts'
import { planSplitProducts } from './forward/split-products.ts'
import type { SplitProducts } from './forward/split-products.ts'
import { tileMemory } from './forward/tiles.ts'
import type { ForwardTile, TileMemory } from './forward/tiles.ts'
import { arrangeTiles } from './forward/masked-tile.ts'
import { withPasses } from './forward/passes.ts'
import type { PassChoice } from './forward/passes.ts'
import type { SplitRows } from './forward/split-rows.ts'
import { packBlockMap } from './pack-block-map.ts'
import type { PackedBlockMap } from './pack-block-map.ts'
import type { TileOrigin, TunedTiles, Tuning } from './tuning.ts'
import { decideVisibility } from './visibility.ts'
import type { Visibility } from './visibility.ts'

export type { PlanOptions } from './plan-options.ts'

/** A plan as data. */
export interface ForwardPlan extends DecodeDecision {
  readonly shape: AttentionShape
  readonly dtype: DType
  readonly attention: ResolvedAttention
  /** What is visible, to the backward pass of the plan too. */
  readonly visibility: Visibility
  /** Undefined where neither queries nor keys are turned. */
  readonly rope: ResolvedRope | undefined
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
  readonly layout: DataLayout
  readonly data: PackedData
  readonly rules: ScoreRules
  /** Whether the kernel's text is kept short at the cost of speed: where compiling takes long. */
  readonly shortText: boolean
  readonly workBudget: number
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

/** What one dispatch may hold unless told otherwise: tens of milliseconds on a desktop GPU. */
const defaultWorkBudget = 2 ** 38

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
  checkAttentionOptions('flash.plan', options, planOptionNames)
  const { heads, queryLength, headDim, dtype = 'float32' } = options
  const { batch = 1, kvHeads = heads, keyLength = queryLength, valueDim = headDim } = options
  const shape = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
  checkAttentionShape('flash.plan', shape)
  checkWidths('flash.plan', shape, options.training)
  if (!isDType(dtype)) {
    throw typeError(
      `flash.plan: dtype must be float32, float16 or bfloat16, got ${String(dtype)}`,
      'ATTN_DTYPE',
    )
  }
  const { workBudget = defaultWorkBudget } = options
  if (!(workBudget > 0)) {
    throw rangeError(`flash.plan: workBudget must be a positive number, got ${workBudget}`)
  }
  const lengthsPerCall = checkLengthsOption(options)
  const attention = resolveOptions('flash.plan', shape, options)
  const { mask } = attention
  checkOperations('flash.plan', [mask, ...attention.scoreModifiers])
  const call = { dtype, headDim, valueDim, queryLength, masked: mask !== undefined }
  const answer = lengthsPerCall ? undefined : tuning?.find(call)
  const chosen = chooseForwardTile(shape, dtype, capabilities, options.tile, answer)
  const { decodes, origin, tuned } = chosen
  const scoreModifiers = attention.scoreModifiers.map((modifier) => ({
    ...modifier,
    expression: floatExpression(composeLookups(modifier.expression.node, heads)),
  }))
  const nodes = [mask, ...scoreModifiers].flatMap((part) => (part ? [part.expression.node] : []))
  const within = attention.dropout?.within
  const layout = dataLayout([...nodes, ...counterNodes(within)])
  const visibility = decideVisibility(shape, attention)
  const problem = { shape, dtype, attention, layout, scoreModifiers, lengthsPerCall }
  const decision: DecodeDecision = decodes
    ? decideDecode({ ...problem, tile: options.decodeTile }, capabilities)
    : {}
  const { decode } = decision
  // Halves of float32 are taken in natural order.
  const ordered = options.tile !== 'subgroup-matrix' || chosen.matrix !== undefined
  const undecoded = { shape, dtype, attention, visibility, ordered }
  const { tile, matrix, blockMap, passChoice } = decode
    ? { ...chosen, blockMap: undefined, passChoice: undefined }
    : arrangeTiles(undecoded, chosen, capabilities)
  const plan: ForwardPlan = {
    shape,
    dtype,
    attention,
    visibility,
    rope: resolveRope('flash.plan', options.rope, shape, attention, lengthsPerCall),
    tile,
    tileOrigin: tuned.forward?.tile === 'decode' && !decode ? withoutDecode : origin,
    tuned,
    memory: tileMemory(tile, valueDim),
    matrix: decode ? undefined : matrix,
    blockMap,
    packedMap: blockMap && packBlockMap(blockMap),
    layout,
    data: packData(layout, headWords(attention)),
    rules: scoreRules(mask, scoreModifiers, layout, within),
    shortText: isSoftware(capabilities),
    workBudget,
    passChoice,
    ...decision,
  }
  const planned = withPasses(plan, passChoice, scoreModifiers, capabilities)
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
  const { headDim, valueDim } = plan.shape
  const config = {
    headDim,
    valueDim,
    ...accesses,
    rules: plan.rules,
    shortText: plan.shortText,
    blockMap: plan.blockMap !== undefined,
    tokens: plan.orders && tokenFunctions(plan.orders, plan.tile),
    sinks: plan.attention.sinks !== undefined,
    dropout: plan.attention.dropout !== undefined,
    descriptorWords: plan.layout.descriptorWords,
    parameterWords: plan.layout.parameters.length,
  }
  if (plan.matrix) {
    const memory = matrixMemory(plan.matrix, headDim, valueDim, plan.halves)
    const wholeTiles = !config.blockMap && plan.shape.keyLength % plan.matrix.keys === 0
    const kernel = plan.halves === 2 ? forwardSplitKernel : forwardMatrixKernel
    return kernel({ ...config, parts, tile: plan.matrix, memory, wholeTiles })
  }
  return forwardKernel({ ...config, parts, tile: plan.tile, memory: plan.memory })
}

/** The WGSL that merges the parts of long rows into an output with this access. */
export function mergePartsCode(
  { orders, shape, tile, attention, layout }: ForwardPlan,
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

/**
 * Strides of the output a plan makes for itself: row-major, but that halves which are stored in
 * pairs (no `shader-f16`) begin each row on a whole word.
 */
export function outputStrides(
  shape: AttentionShape,
  dtype: DType,
  nativeFloat16: boolean,
): number[] {
  const { heads, queryLength, valueDim } = shape
  const row = packedRow(dtype, valueDim, nativeFloat16)
  return [heads * queryLength * row, queryLength * row, row, 1]
}
