// Float32 by products of float16 halves (kernels/forward/split): for which calls, and the memory it takes. Every
// such plan carries both kernels, since the numbers of a call may not allow for halves; which one runs is
// decided on the GPU.
import type { AttentionShape } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { isSoftware } from '../../device/software.ts'
import { measuredRowsAtOnce } from '../../kernels/forward/split/forward-magnitudes.wgsl.ts'
import type { Call } from '../call.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import type { Refusal } from '../planned.ts'
import { asFallback } from './fallback.ts'
import type { HalvesPlan, PassesPlan } from './forward-plan.ts'
import type { TiledKernel } from './forward-kernel.ts'
import type { KernelWish } from './kernel-wish.ts'
import { isOnMatrices } from '../tuning.ts'
import { halvesKernel } from './halves-kernel.ts'
import { mayAddHuge } from './huge-scores.ts'
import { arrangePasses, asksPairs } from './pass-choice.ts'
import { passesOf } from './passes.ts'

/**
 * Operations from which on a plan carries both kernels: 2,048 tokens of 16 heads of width 64, which on an NVIDIA
 * H200 take 0.30 ms by halves and 0.63 without. Calls of 1,024 tokens are faster too, by 0.06 ms, and there the
 * first call takes a second longer.
 */
const leastOperations = 2 ** 34
/**
 * Partial tiles up to which halves are taken, where every pair of such a tile is asked and where keys are compared
 * with the ends of a row. With half of them and all pairs asked (strided in orders) both kernels were as fast on an NVIDIA
 * H200; with a fifth and ends (a window of 512) halves took 0.7 of the time.
 */
const mostAsked = 0.1
const mostCompared = 0.3
/** Queries that share the splitting of a key, in all heads on it. */
const leastQueriesOfKey = 256
/** Workgroups that measure a call, and pieces of a plane, which the choice reads one after the other. */
const measuringWorkgroups = 512
const mostPieces = 16

/**
 * Plans a call by halves, or says why not.
 *
 * @param otherwise - The call in plain WGSL.
 * @param wish - Whether matrices are asked for, however small the call is, and with which tile.
 */
export function planHalves(
  otherwise: PassesPlan<TiledKernel>,
  { asksMatrices, sizes }: Pick<KernelWish, 'asksMatrices' | 'sizes'>,
  capabilities: Capabilities,
): HalvesPlan | Refusal {
  const { call, origin, tuned } = otherwise
  const kernel = halvesKernel(call, capabilities, sizes)
  if ('refused' in kernel) return kernel
  const refused = whyNotHalves(call, capabilities)
  if (refused !== undefined) return { refused }
  if (!asksMatrices && !isWorthwhile(otherwise, capabilities)) {
    return { refused: 'float16 halves on subgroup matrices would not be faster' }
  }
  const { batch, heads, kvHeads, queryLength, keyLength } = call.shape
  const arrangement = arrangePasses(call, [kernel], capabilities)
  return {
    kind: 'halves',
    call,
    origin,
    tuned,
    passes: passesOf(call, arrangement, capabilities),
    choice: arrangement.choice,
    otherwise: asFallback(otherwise, capabilities),
    bytes: splitBytesOf(call.shape),
    pieces: piecesOf(batch * (heads + 2 * kvHeads), queryLength, keyLength),
  }
}

/** Why a float32 call cannot be computed by halves; undefined where it can. */
function whyNotHalves({ shape, attention }: Call, { limits }: Capabilities): string | undefined {
  if (mayAddHuge(attention.scoreModifiers)) {
    return 'numbers of a score modifier are beyond 2^100, or lie elsewhere and might be'
  }
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize)
  const largest = Math.max(...Object.values(splitBytesOf(shape)))
  if (largest > most) {
    return `a tensor of ${largest} bytes is more than the device binds at once, ${most}`
  }
  const workgroups = limits.maxComputeWorkgroupsPerDimension
  if (Math.max(shape.batch, shape.heads + 2 * shape.kvHeads) > workgroups) {
    return `more sequences or heads than maxComputeWorkgroupsPerDimension=${workgroups}`
  }
  return undefined
}

/** Whether products of halves save more than splitting costs. On software adapters nothing is saved. */
function isWorthwhile(plan: PassesPlan, capabilities: Capabilities): boolean {
  const { call, origin, tuned } = plan
  if (origin.kind === 'given' || isSoftware(capabilities)) return false
  if (tuned.forward && !isOnMatrices(tuned.forward.tile)) return false
  const visited = sumOfMaps(plan, (map) => map.visited)
  const most = asksPairs(call, plan) ? mostAsked : mostCompared
  if (visited - sumOfMaps(plan, (map) => map.full) > most * visited) return false
  const { heads, kvHeads, queryLength } = call.shape
  return (
    queryLength * (heads / kvHeads) >= leastQueriesOfKey &&
    visitedOperations(plan) >= leastOperations
  )
}

function sumOfMaps({ passes }: PassesPlan, count: (map: PackedBlockMap) => number): number {
  return passes.reduce((all, { packedMap }) => all + (packedMap ? count(packedMap) : 0), 0)
}

/** Multiplications and additions in the visited tiles of a plan. */
export function visitedOperations(plan: PassesPlan): number {
  const { batch, heads, queryLength, keyLength, headDim, valueDim } = plan.call.shape
  const [{ blockMap, kernel }] = plan.passes
  const maps = blockMap ? blockMap.batch * blockMap.heads : 1
  const pairs = blockMap
    ? (sumOfMaps(plan, (map) => map.visited) / maps) * kernel.tile.queries * kernel.tile.keys
    : queryLength * keyLength
  return batch * heads * pairs * 2 * (headDim + valueDim)
}

/** Bytes of what planes measure, in pieces. */
export function measureBytes({ call: { shape }, pieces }: HalvesPlan): number {
  return 16 * shape.batch * (shape.heads + 2 * shape.kvHeads) * pieces.count
}

/** Bytes of all that a plan holds for its halves. */
export function halvesMemory(plan: HalvesPlan): number {
  const { query, key, value } = plan.bytes
  return query + key + value + measureBytes(plan)
}

/**
 * What magnitudes and sums of queries and keys may multiply to, for scores that are as exact as float32's;
 * see kernels/forward/split/forward-choice.wgsl.ts.
 */
export function mostSplitProduct({ attention }: Call): number {
  return Math.min(2 ** 14 / Math.abs(attention.scale), 2 ** 120)
}

function splitBytesOf(shape: AttentionShape): HalvesPlan['bytes'] {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  return {
    query: splitBytes(batch * heads, queryLength, headDim),
    key: splitBytes(batch * kvHeads, keyLength, headDim),
    value: splitBytes(batch * kvHeads, keyLength, valueDim),
  }
}

/** Two halves of an element, and 16 bytes for a plane. */
function splitBytes(planes: number, rows: number, dims: number): number {
  return planes * (4 * rows * dims + 16)
}

function piecesOf(planes: number, queryLength: number, keyLength: number): HalvesPlan['pieces'] {
  const wanted = Math.min(mostPieces, Math.max(1, Math.round(measuringWorkgroups / planes)))
  const most = Math.ceil(Math.max(queryLength, keyLength) / measuredRowsAtOnce)
  const count = Math.min(wanted, most)
  const rowsOf = (length: number): number =>
    Math.ceil(length / count / measuredRowsAtOnce) * measuredRowsAtOnce
  return { count, queryRows: rowsOf(queryLength), keyRows: rowsOf(keyLength) }
}
