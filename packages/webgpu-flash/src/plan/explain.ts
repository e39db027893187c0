// What a plan will do and why, as data and as text: the tiles it visits, the operations and the
// bytes, and the memory it holds beyond the tensors it is given.
import type { Capabilities } from '../device/capabilities.ts'
import type { BackwardPlan } from './backward-plan.ts'
import { explainBackward } from './explain-backward.ts'
import type { BackwardExplanation } from './explain-backward.ts'
import type { ForwardPlan } from './plan.ts'
import { matrixMemory } from './matrix-tile.ts'
import { tileBytes } from './tiles.ts'
import { explainRope } from './rope-options.ts'
import type { RopeExplanation } from './rope-options.ts'
import type { ForwardTile } from './tiles.ts'

/** The account of one plan. Plain data. */
export interface PlanExplanation {
  /** The kernel chosen. */
  readonly variant: 'tiled' | 'subgroup-matrix'
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
  /** What is turned before attention, and how; undefined without `rope`. */
  readonly rope?: RopeExplanation
  /** Multiplications and additions in visited tiles: 2 (D + Dv) for each pair. */
  readonly floatingPointOperations: number
  /** Bytes that cross from GPU memory to workgroups if nothing is cached, and back. */
  readonly bytes: { readonly read: number; readonly written: number }
  /** Bytes the plan's buffers hold: outputs, and what it needs besides. */
  readonly memoryBytes: {
    readonly output: number
    readonly logSumExp: number
    readonly blockMap: number
    readonly tables: number
    /** Queries and keys turned by `rope`, from the first call on. */
    readonly rotated: number
  }
  /** The backward pass, of a plan made with `training: true`. */
  readonly backward?: BackwardExplanation
}

function variant(
  { matrix, dtype, shape, attention }: ForwardPlan,
  { limits, subgroupMatrices }: Capabilities,
): Pick<PlanExplanation, 'variant' | 'reason'> {
  if (matrix) {
    const { rows, columns, depth } = matrix.matrix
    return {
      variant: 'subgroup-matrix',
      reason: `float16 on matrices of ${rows}x${columns}x${depth} with float32 sums, which the adapter multiplies by subgroups of ${matrix.subgroupSize}`,
    }
  }
  const matricesWhy =
    dtype === 'float32'
      ? 'float32 has no matrices with float32 operands'
      : subgroupMatrices.length === 0
        ? 'the adapter offers no subgroup matrices'
        : attention.dropout || attention.sinks
          ? 'subgroup matrices are not used with dropout or sinks'
          : `no subgroup matrix fits headDim ${shape.headDim}, valueDim ${shape.valueDim} and ${shape.queryLength} queries`
  return {
    variant: 'tiled',
    reason: `plain WGSL (${matricesWhy}), the fastest tile measured that fits ${limits.maxComputeWorkgroupStorageSize} bytes of workgroup memory and ${limits.maxComputeInvocationsPerWorkgroup} invocations`,
  }
}

/** Accounts for a plan. */
export function explainPlan(
  plan: ForwardPlan,
  capabilities: Capabilities,
  backwardPlan?: BackwardPlan,
): PlanExplanation {
  const { shape, tile, packedMap, blockMap } = plan
  const { batch, heads, queryLength, keyLength, headDim, valueDim } = shape
  const queryTiles = Math.ceil(queryLength / tile.queries)
  const total = batch * heads * queryTiles * Math.ceil(keyLength / tile.keys)
  // Heads and sequences without maps of their own share one.
  const copies = blockMap ? (batch * heads) / (blockMap.batch * blockMap.heads) : 0
  const visited = packedMap ? packedMap.visited * copies : total
  const tailTile = keyLength % tile.keys === 0 ? 0 : batch * heads * queryTiles
  const full = packedMap ? packedMap.full * copies : total - tailTile
  const elementBytes = plan.dtype === 'float16' ? 2 : 4
  const rows = batch * heads * queryLength
  const memory = plan.matrix
    ? matrixMemory(plan.matrix, headDim, valueDim).bytes
    : tileBytes(tile, valueDim)
  const rope = explainRope(plan, capabilities)
  const queryReads = visited * tile.queries * headDim
  return {
    ...variant(plan, capabilities),
    tile,
    workgroupMemoryBytes: memory,
    blocks: { total, visited, full, partial: visited - full, skipped: total - visited },
    floatingPointOperations: visited * tile.queries * tile.keys * 2 * (headDim + valueDim),
    bytes: {
      read: (queryReads + visited * tile.keys * (headDim + valueDim)) * elementBytes,
      written: rows * (valueDim * elementBytes + 4),
    },
    ...(backwardPlan ? { backward: explainBackward(backwardPlan) } : {}),
    memoryBytes: {
      output: rows * valueDim * elementBytes,
      logSumExp: rows * 4,
      blockMap: packedMap ? packedMap.words.byteLength : 0,
      tables: plan.data.words.byteLength,
      rotated: rope?.bytes ?? 0,
    },
    ...(rope ? { rope } : {}),
  }
}

const units = ['', 'k', 'M', 'G', 'T', 'P'] as const

function short(value: number, base = 1000): string {
  const power = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log(Math.max(value, 1)) / Math.log(base))),
  )
  const scaled = value / base ** power
  return `${power === 0 ? scaled : scaled.toPrecision(3)} ${units[power]}`
}

/** The account as a few lines for people. */
export function formatExplanation(explanation: PlanExplanation): string {
  const { tile, blocks, bytes, memoryBytes, rope } = explanation
  const share = ((100 * blocks.visited) / blocks.total).toFixed(1)
  return [
    `variant    ${explanation.variant}: ${explanation.reason}`,
    `tile       ${tile.queries} queries x ${tile.keys} keys, ${tile.threadRows * tile.threadColumns} threads, ${short(explanation.workgroupMemoryBytes, 1024)}iB of workgroup memory`,
    `blocks     ${blocks.visited} of ${blocks.total} visited (${share} %), ${blocks.full} of them full, ${blocks.skipped} skipped`,
    `work       ${short(explanation.floatingPointOperations)}FLOP, ${short(bytes.read)}B read and ${short(bytes.written)}B written without caches`,
    `memory     output ${short(memoryBytes.output)}B, log-sum-exp ${short(memoryBytes.logSumExp)}B, block map ${short(memoryBytes.blockMap)}B, tables ${short(memoryBytes.tables)}B`,
    ...(rope
      ? [`rope       ${rope.turned.join(' and ')}, ${short(rope.bytes)}B: ${rope.reason}`]
      : []),
  ].join('\n')
}
