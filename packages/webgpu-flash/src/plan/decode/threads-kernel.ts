// The decode kernel in plain WGSL with its tile, which reads tensors however they lie.
import { rangeError, withDefaults } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import type { DecodeAccess } from '../../kernels/decode/decode-access.ts'
import { decodeKernel } from '../../kernels/decode/decode.wgsl.ts'
import { accessOf, rowsBeginAt } from '../access-of.ts'
import type { Call } from '../call.ts'
import type { Refusal } from '../planned.ts'
import type { DecodeTensors, ThreadsKernel } from './decode-kernel.ts'
import { spreadKeys } from './decode-spread.ts'
import { chooseDecodeTile, chunkKeys, decodeMemory, laneVectors } from './decode-tile.ts'
import type { DecodeMemory, DecodeTile } from './decode-tile.ts'
import type { WantedDecodeTile } from './wanted-decode-tile.ts'

/**
 * Makes the kernel.
 *
 * @throws RangeError for a wanted tile that does not divide or fit.
 */
export function decodeOnThreads(
  { shape, dtype, attention }: Call,
  wanted: WantedDecodeTile,
  capabilities: Capabilities,
): ThreadsKernel | Refusal {
  const { heads, kvHeads, queryLength, headDim, valueDim } = shape
  const groupRows = (heads / kvHeads) * queryLength
  const dropout = attention.dropout !== undefined
  const chosen = chooseDecodeTile({ headDim, valueDim, rows: groupRows }, dropout, capabilities)
  if (!chosen) return { refused: 'no tile of the decode kernel fits the device' }
  const { matrix: _, integers: _integers, ...wantedTile } = wanted
  const tile = withDefaults(chosen, wantedTile)
  const { rows, threads, lanes, workgroups } = tile
  const most = capabilities.limits.maxComputeWorkgroupsPerDimension
  if (Math.max(queryLength, Math.ceil(groupRows / rows)) > most) {
    return { refused: `rows of a head exceed maxComputeWorkgroupsPerDimension=${most}` }
  }
  const memory = decodeMemory(tile, valueDim, dropout)
  checkTile(tile, memory, capabilities)
  const native = capabilities.shaderFloat16
  const spread = { shape, dtype, rows, chunkKeys: chunkKeys(tile), workgroups }
  return {
    kind: 'threads',
    tile,
    ...spreadKeys(spread, capabilities),
    threads,
    workgroupBytes: memory.bytes,
    slots: threads / lanes,
    preferred: '',
    suits: () => true,
    accesses: (tensors) => ({
      query: accessOf(tensors.query, native),
      key: rowAccess(tensors, 'key', headDim, tile, native),
      value: rowAccess(tensors, 'value', valueDim, tile, native),
      output: accessOf(tensors.output, native),
    }),
    text: (config) => decodeKernel({ ...config, tile, memory }),
  }
}

/** How rows of keys or values are read: eight halves at once where they lie so. */
function rowAccess(
  tensors: DecodeTensors,
  name: 'key' | 'value',
  dims: number,
  { lanes }: DecodeTile,
  nativeFloat16: boolean,
): DecodeAccess {
  const view = tensors[name]
  const quantized = tensors.quantized?.[name]
  if (quantized) {
    const wholeWords = [view.offset, ...view.strides.slice(0, 3)].every((at) => at % 2 === 0)
    const plain = { dtype: 'float16', nativeFloat16: false, vector: false, wide: false } as const
    return { ...plain, quantized, wholeWords }
  }
  const access = accessOf(view, nativeFloat16)
  const inEights = dims % 8 === 0 && rowsBeginAt(view, 8)
  const pairs = laneVectors(dims, lanes) % 2 === 0
  return { ...access, wide: view.dtype !== 'float32' && access.vector && inEights && pairs }
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
