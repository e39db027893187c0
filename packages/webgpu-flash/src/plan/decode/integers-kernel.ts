// The decode kernel on products of signed bytes with its tile: for several rows that share keys in quantised blocks, where a
// device has no subgroup matrices.
import { rangeError } from '@attn/core'
import type { QuantizedType } from '@attn/core'
import type { Capabilities } from '../../device/capabilities.ts'
import { isSoftware } from '../../device/software.ts'
import { decodeIntegersKernel } from '../../kernels/decode/integers/decode-integers.wgsl.ts'
import { accessOf } from '../access-of.ts'
import type { Call } from '../call.ts'
import type { Refusal } from '../planned.ts'
import type { DecodeIntegersKernel } from './decode-kernel.ts'
import {
  chooseDecodeIntegersTile,
  decodeIntegersMemory,
  integerDims,
} from './decode-integers-tile.ts'
import type { DecodeIntegersTile } from './decode-integers-tile.ts'
import { spreadKeys } from './decode-spread.ts'
import { rowAccess, rowsSuit } from './vector-rows.ts'
import type { WantedDecodeTile } from './wanted-decode-tile.ts'

/**
 * Rows that share keys from which on it is faster, by an NVIDIA H200: it has a vector of four of them, whether all are
 * there or not.
 */
const leastRows = 3

/** Makes the kernel, where the device has such products and they pay. */
export function decodeOnIntegers(
  call: Call,
  wanted: WantedDecodeTile,
  capabilities: Capabilities,
): DecodeIntegersKernel | Refusal {
  return kernelOf(call, wanted, capabilities, 'q8_0')
}

/** The same for blocks of four bits alone, whose workgroups need less memory, so that more run at once. */
export function fourBitsOnIntegers(
  call: Call,
  wanted: WantedDecodeTile,
  capabilities: Capabilities,
): DecodeIntegersKernel | Refusal {
  const kernel = kernelOf(call, wanted, capabilities, 'q4_0')
  if ('refused' in kernel) return kernel
  return {
    ...kernel,
    suits: (tensors) =>
      tensors.quantized?.key === 'q4_0' &&
      tensors.quantized.value === 'q4_0' &&
      kernel.suits(tensors),
  }
}

/** The kernel with a tile for blocks of this type, or of smaller ones. */
function kernelOf(
  { shape, dtype, attention }: Call,
  { integers: wanted }: WantedDecodeTile,
  capabilities: Capabilities,
  widest: QuantizedType,
): DecodeIntegersKernel | Refusal {
  const { heads, kvHeads, queryLength, headDim, valueDim } = shape
  if (!capabilities.packedIntegerProducts) return { refused: 'WGSL has no products of bytes here' }
  if (dtype !== 'float16') return { refused: 'products of bytes are not as exact as float32' }
  if (headDim !== integerDims || valueDim !== integerDims) {
    return { refused: `products of bytes are made for ${integerDims} dims` }
  }
  if (attention.dropout) return { refused: 'products of bytes come without dropout' }
  const groupRows = (heads / kvHeads) * queryLength
  const pays = groupRows >= leastRows && !isSoftware(capabilities)
  if (!(wanted ?? pays)) return { refused: 'too few rows share keys for products of bytes' }
  const given = typeof wanted === 'object' ? wanted : {}
  const tile = chooseDecodeIntegersTile({ key: widest, value: widest }, capabilities, given)
  checkShuffles(tile, capabilities)
  const { rows, keys, workgroups } = tile
  const most = capabilities.limits.maxComputeWorkgroupsPerDimension
  if (Math.ceil(groupRows / rows) > most) {
    return { refused: `rows of a head exceed maxComputeWorkgroupsPerDimension=${most}` }
  }
  return {
    kind: 'integers',
    tile,
    ...spreadKeys({ shape, dtype, rows, chunkKeys: keys, workgroups }, capabilities),
    threads: keys,
    workgroupBytes: decodeIntegersMemory({ key: widest, value: widest }).bytes,
    slots: 1,
    preferred: '; of quantized blocks products are those of signed bytes',
    suits: (tensors) =>
      tensors.quantized?.key !== undefined &&
      tensors.quantized.value !== undefined &&
      rowsSuit(tensors, 'key', headDim, keys) &&
      rowsSuit(tensors, 'value', valueDim, keys),
    accesses: (tensors) => ({
      query: accessOf(tensors.query, capabilities.shaderFloat16),
      key: rowAccess(tensors, 'key'),
      value: rowAccess(tensors, 'value'),
      output: accessOf(tensors.output, capabilities.shaderFloat16),
    }),
    text: (config) => {
      const types = { key: config.key.quantized!, value: config.value.quantized! }
      return decodeIntegersKernel({ ...config, tile, types, memory: decodeIntegersMemory(types) })
    },
  }
}

function checkShuffles({ shuffles }: DecodeIntegersTile, { subgroups }: Capabilities): void {
  const most = Math.min(32, subgroups?.minimum ?? 1)
  if (!(shuffles >= 1 && shuffles <= most && Number.isInteger(Math.log2(shuffles)))) {
    throw rangeError(
      `flash.plan: the tile shuffles among ${shuffles} threads, which must be a power of two up to ${most} on this device`,
    )
  }
}
