// What a plan will do and why, as data: the tiles it visits, the operations and the bytes, and the
// memory it holds beyond the tensors it is given.
import type { AttentionShape, DType } from '@attn/core'
import type { Capabilities } from '../device/capabilities.ts'
import { elementBytes } from '../gpu-tensor.ts'
import type { BackwardExplanation } from './backward/explain-backward.ts'
import type { DecodingPlan } from './decode/decode-dispatches.ts'
import { explainDecode } from './decode/explain-decode.ts'
import type { DecodeExplanation } from './decode/explain-decode.ts'
import { boundWide, keepsWideOutput, narrowDispatches, wideBytes } from './forward/wide-output.ts'
import { contiguousTensors } from './contiguous-tensors.ts'
import { forwardDispatches } from './forward/forward-dispatches.ts'
import { partBytes, passesOf } from './forward/passes.ts'
import type { PassChoice } from './forward/passes.ts'
import type { Call } from './call.ts'
import type { ForwardPlan } from './plan.ts'
import type { SplitRows } from './forward/split-rows.ts'
import type { SparsityCandidate } from '@attn/core'
import { matrixMemory, whyNoMatrixTile } from './forward/matrix-tile.ts'
import { tileBytes } from './forward/tiles.ts'
import { splitMemory, whyNotSplit } from './forward/split-products.ts'
import type { SplitProducts } from './forward/split-products.ts'
import { explainRope } from './rotate/explain-rope.ts'
import type { RopeExplanation } from './rotate/explain-rope.ts'
import type { ForwardTile } from './forward/tiles.ts'
import { describeOrigin } from './tuning.ts'

/** What a plan was made for. */
export interface PlannedCall extends AttentionShape {
  readonly dtype: DType
  /** Name of the mask, where there is one. */
  readonly mask?: string | undefined
  /** Names of the score modifiers, in the order in which they apply. */
  readonly scoreModifiers: readonly string[]
  readonly dropout: boolean
  readonly sinks: boolean
  /** How many sequences are packed end to end, where they are. */
  readonly sequences?: number | undefined
}

/** The account of one plan. Plain data. */
export interface PlanExplanation {
  /** What the plan was made for. */
  readonly call: PlannedCall
  /** The kernel chosen. */
  readonly variant: 'tiled' | 'subgroup-matrix' | 'decode'
  /** Why this kernel and tile. */
  readonly reason: string
  readonly tile: ForwardTile
  readonly workgroupMemoryBytes: number
  /** Tiles of the score matrix, over all heads and sequences. */
  readonly blocks: {
    readonly total: number
    readonly visited: number
    readonly full: number
    readonly partial: number
    readonly skipped: number
  }
  /** How a mask that proposes orders of the tokens is computed; undefined for others. */
  readonly passes?:
    | {
        /** What was compared, in words, with the tiles each visits over all heads and sequences. */
        readonly candidates: readonly SparsityCandidate[]
        /** The name of the one that is run. */
        readonly chosen: string
        readonly reason: string
      }
    | undefined
  /** Rows of tiles so long that several workgroups share each, and the parts that these take. */
  readonly longRows: { readonly rows: number; readonly parts: number }
  /** How keys are spread over workgroups, where the kernel is that for few queries. */
  readonly decode?: DecodeExplanation | undefined
  /**
   * How float32 is computed on matrices that multiply float16; undefined for other kernels. Numbers that are not
   * finite or too far apart do not allow for it: the GPU finds out, and `otherwise` is the tile of the plain
   * kernel that then computes the call.
   */
  readonly products?: { readonly ofEach: 3; readonly otherwise: ForwardTile } | undefined
  /** What is turned before attention, and how; undefined without `rope`. */
  readonly rope?: RopeExplanation | undefined
  /** Multiplications and additions in visited tiles: 2 (D + Dv) for each pair. */
  readonly floatingPointOperations: number
  /** Parts that the work is cut into for the device's limits, with contiguous tensors. */
  readonly dispatches: number
  /** Bytes that cross from GPU memory to workgroups if nothing is cached, and back. */
  readonly bytes: { readonly read: number; readonly written: number }
  /** Bytes the plan's buffers hold: outputs, and what it needs besides. */
  readonly memoryBytes: {
    readonly output: number
    readonly logSumExp: number
    readonly blockMap: number
    readonly tables: number
    /**
     * Results of the parts of long rows, before they are merged; and the output in float32 where one of fewer
     * bits would be rounded at every merge: of parts over other keys, and of passes.
     */
    readonly parts: number
    /** Queries and keys turned by `rope`, from the first call on. */
    readonly rotated: number
    /** Queries, keys and values as float16 halves, where the call is computed by `products` of them. */
    readonly halves?: number | undefined
  }
  /** Bytes of the scores of all pairs, which attention that stores them would need. */
  readonly scoreBytes: number
  /** The backward pass, of a plan made with `training: true`. */
  readonly backward?: BackwardExplanation | undefined
}

function variant(
  plan: ForwardPlan,
  capabilities: Capabilities,
): Pick<PlanExplanation, 'variant' | 'reason'> {
  const { call, matrix, halves, tileOrigin, decodeRefused } = plan
  const { dtype, shape } = call
  if (matrix) {
    const { rows, columns, depth } = matrix.matrix
    const numbers = halves === 2 ? 'float32 by three products of float16 halves' : dtype
    return {
      variant: 'subgroup-matrix',
      reason: describeOrigin(
        tileOrigin,
        `${numbers} on matrices of ${rows}x${columns}x${depth} with ${matrix.sums === 'f32' ? 'float32 sums' : 'float16 sums of one tile'}, which the adapter multiplies by subgroups of ${matrix.subgroupSize}`,
      ),
    }
  }
  const { subgroupMatrices } = capabilities
  const ofFloat32 = subgroupMatrices.some(({ operands }) => operands === 'f32')
  const matricesWhy =
    dtype === 'float32' && !ofFloat32
      ? (whyNotSplit(plan, capabilities) ??
        'float16 halves on subgroup matrices would not be faster')
      : whyNoMatrixTile(shape, capabilities, dtype)
  const { limits } = capabilities
  const why = decodeRefused === undefined ? matricesWhy : `few queries, but ${decodeRefused}`
  const ofModel = `plain WGSL (${why}), the tile of the least estimated time that fits ${limits.maxComputeWorkgroupStorageSize} bytes of workgroup memory and ${limits.maxComputeInvocationsPerWorkgroup} invocations`
  return { variant: 'tiled', reason: describeOrigin(tileOrigin, ofModel) }
}

function explainPasses({
  sparsity: { candidates },
  chosen,
  reason,
}: PassChoice): NonNullable<PlanExplanation['passes']> {
  return { candidates, chosen: candidates[chosen]!.name, reason }
}

function explainLongRows(passes: readonly ForwardPlan[]): PlanExplanation['longRows'] {
  const count = (of: (split: SplitRows) => number): number =>
    passes.reduce((sum, { splitRows, call }) => {
      const { batch, heads } = call.shape
      return sum + (splitRows ? of(splitRows) * batch * heads : 0)
    }, 0)
  return { rows: count(({ rows }) => rows), parts: count(({ parts }) => parts) }
}

/** Accounts for a plan. */
export function explainPlan(
  plan: ForwardPlan,
  capabilities: Capabilities,
  backwardExplanation?: BackwardExplanation,
): PlanExplanation {
  const { call } = plan
  const rope = explainRope(call, plan.tile.queries, capabilities)
  const backward = backwardExplanation ? { backward: backwardExplanation } : {}
  const { shape, dtype } = call
  if (plan.decode) {
    const { memoryBytes, ...decoded } = explainDecode(plan as DecodingPlan, capabilities)
    return {
      call: plannedCall(call),
      ...decoded,
      ...backward,
      memoryBytes: { ...memoryBytes, rotated: rope?.bytes ?? 0 },
      scoreBytes:
        shape.batch * shape.heads * shape.queryLength * shape.keyLength * elementBytes(dtype),
      ...(rope ? { rope } : {}),
    }
  }
  if (plan.split) return explainSplit(plan, plan.split, capabilities, backwardExplanation)
  const passes = passesOf(plan)
  const first = passes[0]!
  const { tile } = first
  const { batch, heads, queryLength, keyLength, headDim, valueDim } = shape
  const queryTiles = Math.ceil(queryLength / tile.queries)
  const total = batch * heads * queryTiles * Math.ceil(keyLength / tile.keys)
  const tailTile = keyLength % tile.keys === 0 ? 0 : batch * heads * queryTiles
  const sum = (count: (pass: ForwardPlan) => number): number =>
    passes.reduce((all, pass) => all + count(pass), 0)
  // Heads and sequences without maps of their own share one.
  const ofPlanes = ({ blockMap }: ForwardPlan, tiles: number): number =>
    (tiles * batch * heads) / (blockMap!.batch * blockMap!.heads)
  const visited = first.packedMap ? sum((pass) => ofPlanes(pass, pass.packedMap!.visited)) : total
  const full = first.packedMap
    ? sum((pass) => ofPlanes(pass, pass.packedMap!.full))
    : total - tailTile
  const merges = passes.length - 1
  const bytes = elementBytes(dtype)
  const rows = batch * heads * queryLength
  const memory = first.matrix
    ? matrixMemory(first.matrix, headDim, valueDim, first.halves).bytes
    : tileBytes(tile, valueDim)
  const queryReads = visited * tile.queries * headDim
  const contiguous = contiguousTensors(call, capabilities)
  const { limits } = capabilities
  const wide = keepsWideOutput('plan.explain', passes, contiguous, limits)
  const merging = wide ? contiguous.with(3, boundWide(call)) : contiguous
  const dispatches = (pass: ForwardPlan): number => {
    const cut = forwardDispatches('plan.explain', pass, merging, limits)
    return cut.dispatches.length + cut.parts.length
  }
  const rounding = wide ? narrowDispatches('plan.explain', call, contiguous[3]!, limits).length : 0
  // Each merge reads and writes what the next one reads; in the end it is rounded.
  const resultBytes = wide ? 4 : bytes
  return {
    call: plannedCall(call),
    ...variant(first, capabilities),
    tile,
    workgroupMemoryBytes: memory,
    blocks: { total, visited, full, partial: visited - full, skipped: total - visited },
    floatingPointOperations: visited * tile.queries * tile.keys * 2 * (headDim + valueDim),
    dispatches: sum(dispatches) + rounding,
    bytes: {
      read:
        (queryReads + visited * tile.keys * (headDim + valueDim)) * bytes +
        merges * rows * (valueDim * resultBytes + 4) +
        (wide ? rows * valueDim * 4 : 0),
      written:
        passes.length * rows * (valueDim * resultBytes + 4) + (wide ? rows * valueDim * bytes : 0),
    },
    ...(plan.passChoice ? { passes: explainPasses(plan.passChoice) } : {}),
    longRows: explainLongRows(passes),
    ...backward,
    memoryBytes: {
      output: rows * valueDim * bytes,
      logSumExp: rows * 4,
      blockMap: sum(
        ({ packedMap, splitRows }) =>
          (packedMap?.words.byteLength ?? 0) + (splitRows?.words.byteLength ?? 0),
      ),
      parts:
        sum((pass) => partBytes(pass).output + partBytes(pass).logSumExp) +
        (wide ? wideBytes(call) : 0),
      tables: 4 * call.data.length,
      rotated: rope?.bytes ?? 0,
    },
    scoreBytes: rows * keyLength * bytes,
    ...(rope ? { rope } : {}),
  }
}

/** The account of a call by halves: that of its kernel, and what both kernels hold. */
function explainSplit(
  plan: ForwardPlan,
  split: SplitProducts,
  capabilities: Capabilities,
  backwardExplanation: BackwardExplanation | undefined,
): PlanExplanation {
  const { split: _, ...plain } = plan
  const byHalves = explainPlan(split.plan, capabilities, backwardExplanation)
  const otherwise = explainPlan(plain, capabilities)
  const { blockMap, parts } = otherwise.memoryBytes
  return {
    ...byHalves,
    products: { ofEach: 3, otherwise: plan.tile },
    memoryBytes: {
      ...byHalves.memoryBytes,
      blockMap: byHalves.memoryBytes.blockMap + blockMap,
      parts,
      halves: splitMemory(split),
    },
  }
}

function plannedCall({ shape, dtype, attention }: Call): PlannedCall {
  const { mask, scoreModifiers, dropout, sinks, sequences } = attention
  return {
    ...shape,
    dtype,
    ...(mask ? { mask: mask.name } : {}),
    scoreModifiers: scoreModifiers.map(({ name }) => name),
    dropout: dropout !== undefined,
    sinks: sinks !== undefined,
    ...(sequences ? { sequences: sequences.keyLengths.length } : {}),
  }
}
