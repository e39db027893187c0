// Planning attention of few query rows, or of lengths known only when it runs: the tiles, and into how many
// parts keys are cut.
import { rangeError, UnsupportedError, withDefaults } from '@attn/core'
import type { AttentionShape, DType } from '@attn/core'
import type { ScoreRules } from '../../codegen/snippets.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { isSoftware } from '../../device/software.ts'
import { rulesOfPairs } from '../call.ts'
import type { Call } from '../call.ts'
import type { Planned, Refusal } from '../planned.ts'
import { chooseDecodeTile, chunkKeys, decodeMemory } from './decode-tile.ts'
import type { DecodeMemory, DecodeTile } from './decode-tile.ts'
import { chooseDecodeMatrixTile } from './decode-matrix-tile.ts'
import type { DecodeMatrixTile } from './decode-matrix-tile.ts'
import { spreadKeys } from './decode-spread.ts'
import type { DecodeSpread } from './decode-spread.ts'
import type { WantedDecodeTile } from './wanted-decode-tile.ts'

/** Queries of a sequence up to which each key is rather read once than multiplied fast. */
export const mostDecodedQueries = 16

/** The same on subgroup matrices. */
export interface DecodeMatrixPlan extends DecodeSpread {
  readonly tile: DecodeMatrixTile
}

/** A plan on the decode kernel. */
export interface DecodePlan extends Planned, DecodeSpread {
  readonly kind: 'decode'
  readonly tile: DecodeTile
  readonly memory: DecodeMemory
  readonly rules: ScoreRules
  /** Set where calls may be computed on subgroup matrices, if their tensors lie so. */
  readonly matrix?: DecodeMatrixPlan | undefined
  readonly reason: string
}

/**
 * Plans a call for the decode kernel, or says why not; undefined where there are too many queries for it.
 *
 * @param wanted - A tile to use instead of the choice, or parts of one.
 * @throws UnsupportedError when lengths come with each call and the kernel does not fit.
 */
export function planDecode(
  call: Call,
  wanted: WantedDecodeTile | undefined,
  from: Pick<Planned, 'origin' | 'tuned'>,
  capabilities: Capabilities,
): DecodePlan | Refusal | undefined {
  const { shape, attention, lengthsPerCall } = call
  if (!lengthsPerCall && shape.queryLength > mostDecodedQueries) return undefined
  const plan = attention.dropout?.within
    ? { refused: 'dropout of packed sequences counts pairs in another way' }
    : decodePlan(call, wanted, from, capabilities)
  if ('refused' in plan && lengthsPerCall) {
    throw new UnsupportedError(`flash.plan: ${plan.refused}`)
  }
  return plan
}

function decodePlan(
  call: Call,
  wanted: WantedDecodeTile | undefined,
  { origin, tuned }: Pick<Planned, 'origin' | 'tuned'>,
  capabilities: Capabilities,
): DecodePlan | Refusal {
  const { shape, dtype, attention } = call
  const { heads, kvHeads, queryLength, headDim, valueDim } = shape
  const { limits } = capabilities
  const groupRows = (heads / kvHeads) * queryLength
  const dropout = attention.dropout !== undefined
  const chosen = chooseDecodeTile({ headDim, valueDim, rows: groupRows }, dropout, capabilities)
  if (!chosen) return { refused: 'no tile of the decode kernel fits the device' }
  const { matrix: wantedMatrix, ...wantedTile } = wanted ?? {}
  const tile = withDefaults(chosen, wantedTile)
  const most = limits.maxComputeWorkgroupsPerDimension
  if (Math.max(queryLength, Math.ceil(groupRows / tile.rows)) > most) {
    return { refused: `rows of a head exceed maxComputeWorkgroupsPerDimension=${most}` }
  }
  const memory = decodeMemory(tile, valueDim, dropout)
  checkTile(tile, memory, capabilities)
  const spread = spreadKeys(
    { shape, dtype, rows: tile.rows, chunkKeys: chunkKeys(tile), workgroups: tile.workgroups },
    capabilities,
  )
  const matrix = planMatrix({ shape, dtype, wanted: wantedMatrix }, capabilities)
  const { mostParts } = matrix ?? spread
  const shared = heads > kvHeads ? `, by the ${heads / kvHeads} heads that share it at once` : ''
  const few = queryLength <= mostDecodedQueries
  return {
    kind: 'decode',
    call,
    origin,
    tuned,
    tile,
    memory,
    rules: rulesOfPairs(call),
    ...spread,
    matrix,
    reason: few
      ? `${queryLength === 1 ? 'one query' : `only ${queryLength} queries`} a sequence, so time is that of reading keys and values: each is read once${shared}, by up to ${mostParts} workgroups whose results are merged${matrix ? '; many rows share it, so products are those of subgroup matrices' : ''}`
      : 'lengths come with each call, for which only this kernel is made; a plan for fixed lengths is faster for so many queries',
  }
}

/** Rows that share keys from which on products of matrices are faster, by an NVIDIA H200. */
const leastMatrixRows = 16

/** The plan on subgroup matrices, where there are some for these sizes. */
function planMatrix(
  {
    shape,
    dtype,
    wanted,
  }: {
    readonly shape: AttentionShape
    readonly dtype: DType
    readonly wanted?: boolean | Partial<DecodeMatrixTile> | undefined
  },
  capabilities: Capabilities,
): DecodeMatrixPlan | undefined {
  const { heads, kvHeads, queryLength, headDim, valueDim } = shape
  const rows = (heads / kvHeads) * queryLength
  // Software adapters take long to compile matrices and gain nothing.
  const pays = rows >= leastMatrixRows && !isSoftware(capabilities)
  if (dtype !== 'float16' || !(wanted ?? pays)) return undefined
  const given = typeof wanted === 'object' ? wanted : {}
  const tile = chooseDecodeMatrixTile({ headDim, valueDim, rows }, capabilities, given)
  if (!tile) return undefined
  const { rows: tileRows, keys, workgroups } = tile
  return {
    tile,
    ...spreadKeys({ shape, dtype, rows: tileRows, chunkKeys: keys, workgroups }, capabilities),
  }
}

function checkTile(tile: DecodeTile, { bytes }: DecodeMemory, { limits, subgroups }: Capabilities) {
  const { threads, lanes, rows, keysAhead, shuffles } = tile
  const whole = [threads, lanes, rows, keysAhead].every(
    (size) => size >= 1 && Number.isInteger(Math.log2(size)),
  )
  if (!whole || lanes > threads || (rows * keysAhead) % 4 !== 0) {
    throw rangeError('flash.plan: the sizes of the tile do not divide; see DecodeTile')
  }
  if (
    bytes > limits.maxComputeWorkgroupStorageSize ||
    threads > limits.maxComputeInvocationsPerWorkgroup
  ) {
    throw rangeError(
      `flash.plan: the tile needs ${bytes} bytes of workgroup memory and ${threads} threads, the device has maxComputeWorkgroupStorageSize=${limits.maxComputeWorkgroupStorageSize} and maxComputeInvocationsPerWorkgroup=${limits.maxComputeInvocationsPerWorkgroup}`,
    )
  }
  if (shuffles && !(subgroups && subgroups.minimum >= lanes)) {
    throw rangeError(
      `flash.plan: the tile shuffles among ${lanes} lanes, the device has subgroups of ${subgroups?.minimum ?? 0}`,
    )
  }
}

/** Bytes of the buffers that parts of rows are written to. */
export function decodeScratch(
  { batch, heads, queryLength, valueDim }: AttentionShape,
  plan: Pick<DecodePlan, 'mostParts' | 'matrix'>,
): { readonly output: number; readonly softmax: number } {
  const mostParts = Math.max(plan.mostParts, plan.matrix?.mostParts ?? 1)
  const rows = batch * heads * queryLength * mostParts
  return mostParts > 1
    ? { output: 16 * rows * Math.ceil(valueDim / 4), softmax: 8 * rows }
    : { output: 0, softmax: 0 }
}
