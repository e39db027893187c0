// The account of a backward pass: its tiles, operations, bytes and memory.
import { elementBytes } from '../../gpu-tensor.ts'
import type { BackwardPlan } from './backward-plan.ts'
import type { GradientPass, GradientPasses } from './gradient-passes.ts'
import type { GradientTile } from './gradient-tile.ts'
import type {
  GradientParts,
  GradientTotal,
  SharedGradient,
} from '../../kernels/backward/sum-parts.wgsl.ts'
import { magnitudeStorage } from './backward-matrices.ts'
import { copyBytes, gradientsOf } from './gradient-parts.ts'
import { totalBytes } from './gradient-totals.ts'
import { splitStorage } from './split-storage.ts'

/** Kinds of kernels: plain WGSL, or subgroup matrices. */
export type BackwardVariant = 'tiled' | 'subgroup-matrix'

/** The account of one of the two kernels. */
export interface GradientExplanation {
  readonly variant: BackwardVariant
  /** Of plain WGSL or of subgroup matrices; all say `rows` and `columns`. */
  readonly tile: GradientTile
  /** Why this kernel and this tile. */
  readonly reason: string
  readonly workgroupMemoryBytes: number
  /** Whether tiles of two teams suit the call, where the device has room for them. */
  readonly teams: boolean
  /** Tiles of the score matrix, over all heads and sequences. */
  readonly blocks: { readonly total: number; readonly visited: number }
  /**
   * How a mask that proposes orders of the tokens is computed, as in the forward pass; undefined for
   * others.
   */
  readonly orders?: { readonly chosen: string; readonly reason: string } | undefined
  /** Workgroups that share each row of tiles, each with a part of the columns: at most. */
  readonly parts: number
  /** Multiplications and additions in visited tiles. */
  readonly floatingPointOperations: number
}

/** The account of the backward pass of a plan. Plain data. */
export interface BackwardExplanation {
  /** The kernels chosen; mixed where dQ is computed by another kind than dK and dV. */
  readonly variant: BackwardVariant | 'mixed'
  /** Why these kernels. */
  readonly reason: string
  /** The kernel of dQ: S, dP and dQ for each pair. */
  readonly query: GradientExplanation
  /** The kernel of dK and dV: S, dP, dV and dK. */
  readonly key: GradientExplanation
  /** Of both: 3.5 times forward's where the tiles are the same. */
  readonly floatingPointOperations: number
  /** Bytes that cross from GPU memory to workgroups if nothing is cached, and back. */
  readonly bytes: { readonly read: number; readonly written: number }
  /** Bytes the plan holds for the backward pass, and of the gradients; all linear in the lengths. */
  readonly memoryBytes: {
    /**
     * Log-sum-exp and D: 8 bytes a row; 16 with the scale of dS, and a few numbers a head to find it, where
     * a kernel is on subgroup matrices.
     */
    readonly softmaxRows: number
    /** Block maps by query and by key, tables. */
    readonly tables: number
    /** Sums for the gradients of trainable tables. */
    readonly tableSums: number
    /** Halves of float32 tensors, where they are multiplied on subgroup matrices: as large as the tensors. */
    readonly halves: number
    /**
     * Copies in float32: of gradients whose rows several workgroups share, at most 64 MiB of each; of float16
     * gradients to which several dispatches or passes add, the sum of all, which is rounded once. A call whose
     * tensors' strides let a dispatch reach fewer tokens than contiguous ones would may make the latter later.
     */
    readonly copies: number
    readonly gradients: number
  }
}

const inWords: Readonly<Record<BackwardExplanation['variant'], string>> = {
  tiled: 'plain WGSL',
  'subgroup-matrix': 'subgroup matrices',
  mixed: 'subgroup matrices for one and plain WGSL for the other',
}

/** Bytes that are kept of a row. */
export function softmaxRowBytes({ headroom }: BackwardPlan): number {
  return headroom === undefined ? 8 : 16
}

/** Whether a kernel multiplies split float32. */
export function isSplit({ query, key }: BackwardPlan): boolean {
  return [query, key].some(({ kernel }) => kernel.scales === 'powers')
}

/** Whether a kernel scales float16 by the sizes of dO and V. */
export function measuresMagnitudes({ query, key }: BackwardPlan): boolean {
  return [query, key].some(({ kernel }) => kernel.scales === 'magnitudes')
}

/** Bytes of the buffers that a backward plan works in. */
export function backwardWorkspace(plan: BackwardPlan): {
  readonly softmaxRows: number
  readonly magnitudes: number
  readonly tableSums: number
  /** Of split float32. */
  readonly split: ReturnType<typeof splitStorage> | undefined
  /** Of gradients whose rows several workgroups share, or that add up in totals, by the names of these. */
  readonly copies: Readonly<Partial<Record<GradientParts | GradientTotal, number>>>
} {
  const { call, storage } = plan
  const { batch, heads, queryLength } = call.shape
  return {
    copies: Object.fromEntries([
      ...[...plan.query.passes, ...plan.key.passes].flatMap((pass) =>
        pass.parts === 1
          ? []
          : gradientsOf(pass.rowTokens).map((name) => [
              `${name}Parts`,
              // Passes have them one after the other.
              largestCopies(plan, pass.rowTokens, name),
            ]),
      ),
      ...[plan.query, plan.key].flatMap(({ totals, rowTokens }) =>
        totals
          ? gradientsOf(rowTokens).map((name) => [`${name}Total`, totalBytes(call.shape, name)])
          : [],
      ),
    ]),
    split: isSplit(plan) ? splitStorage(call.shape) : undefined,
    softmaxRows: softmaxRowBytes(plan) * batch * heads * queryLength,
    magnitudes: measuresMagnitudes(plan) ? 4 * magnitudeStorage(call).length : 0,
    tableSums: 4 * storage.length,
  }
}

function largestCopies(
  { call, query, key }: BackwardPlan,
  rowTokens: GradientPass['rowTokens'],
  name: SharedGradient,
): number {
  const { passes } = rowTokens === 'queries' ? query : key
  return Math.max(
    ...passes.map((pass) =>
      pass.parts === 1 ? 0 : pass.parts * copyBytes(call.shape, pass, name),
    ),
  )
}

function visitedTiles({ call }: BackwardPlan, pass: GradientPass): number {
  const { batch, heads } = call.shape
  const { packedMap, blockMap, rowTiles, columnTiles } = pass
  // Heads and sequences without maps of their own share one.
  const copies = blockMap ? (batch * heads) / (blockMap.batch * blockMap.heads) : 0
  return packedMap ? packedMap.visited * copies : batch * heads * rowTiles * columnTiles
}

function explainPasses(
  plan: BackwardPlan,
  { rowTokens, kernel, passes, choice }: GradientPasses,
): GradientExplanation {
  const { batch, heads, queryLength, keyLength } = plan.call.shape
  const { tile } = kernel
  const [rows, columns] =
    rowTokens === 'queries' ? [queryLength, keyLength] : [keyLength, queryLength]
  const total = batch * heads * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns)
  const visited = passes.reduce((sum, each) => sum + visitedTiles(plan, each), 0)
  return {
    variant: kernel.kind === 'tiled' ? 'tiled' : 'subgroup-matrix',
    tile,
    reason: kernel.reason,
    workgroupMemoryBytes: kernel.workgroupBytes,
    teams: kernel.teams,
    blocks: { total, visited },
    ...(choice && {
      orders: {
        chosen: choice.passes
          ? choice.sparsity.candidates[choice.sparsity.chosen]!.name
          : choice.sparsity.candidates[0]!.name,
        reason: choice.reason,
      },
    }),
    parts: Math.max(...passes.map((each) => each.parts)),
    floatingPointOperations: visited * tile.rows * tile.columns * passes[0].pairOperations,
  }
}

/** Accounts for a backward plan. */
export function explainBackward(plan: BackwardPlan): BackwardExplanation {
  const { shape, dtype } = plan.call
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const [query, key] = [plan.query, plan.key].map((passes) => explainPasses(plan, passes)) as [
    GradientExplanation,
    GradientExplanation,
  ]
  const bytesOfOne = elementBytes(dtype)
  const rows = batch * heads * queryLength
  const gradients =
    bytesOfOne * (rows * headDim + batch * kvHeads * keyLength * (headDim + valueDim))
  const { softmaxRows, magnitudes, tableSums, split, copies: ofGradients } = backwardWorkspace(plan)
  const copies = Object.values(ofGradients).reduce((sum, bytes) => sum + bytes, 0)
  const halves = Object.values(split?.halves ?? {}).reduce((sum, bytes) => sum + bytes, 0)
  const powers = split ? split.ranges + split.powers : 0
  // Each visit reads Q, K, V and dO; what is summed is read once more.
  const perToken = headDim + valueDim
  const ofQuery = query.tile.rows * perToken + query.tile.columns * (perToken + headDim)
  const ofKey = key.tile.rows * perToken + key.tile.columns * 2 * perToken
  const elements = query.blocks.visited * ofQuery + key.blocks.visited * ofKey + 2 * rows * valueDim
  return {
    variant: query.variant === key.variant ? query.variant : 'mixed',
    reason: `${inWords[query.variant === key.variant ? query.variant : 'mixed']} in two passes, since there are no float atomics: dK and dV by key tile, dQ by query tile, each recomputing the probabilities from log-sum-exp in a fixed order`,
    query,
    key,
    floatingPointOperations: query.floatingPointOperations + key.floatingPointOperations,
    bytes: {
      // Tensors that are split are read twice for that.
      read: elements * bytesOfOne + 4 * rows + 2 * halves + copies,
      written: gradients + softmaxRows + magnitudes + powers + tableSums + halves + copies,
    },
    memoryBytes: {
      softmaxRows: softmaxRows + magnitudes + powers,
      tables: 4 * plan.data.length,
      tableSums,
      halves,
      copies,
      gradients,
    },
  }
}
