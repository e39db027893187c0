// The decode kernel on subgroup matrices with its tile, for many rows that share keys, which lie in whole vectors.
import type { Capabilities } from '../../device/capabilities.ts'
import { isSoftware } from '../../device/software.ts'
import { decodeMatrixKernel } from '../../kernels/decode/matrix/decode-matrix.wgsl.ts'
import { accessOf } from '../access-of.ts'
import type { Call } from '../call.ts'
import type { Refusal } from '../planned.ts'
import type { DecodeMatrixKernel } from './decode-kernel.ts'
import { chooseDecodeMatrixTile, decodeMatrixMemory } from './decode-matrix-tile.ts'
import { spreadKeys } from './decode-spread.ts'
import { rowAccess, rowsSuit } from './vector-rows.ts'
import type { WantedDecodeTile } from './wanted-decode-tile.ts'

/**
 * Rows that share keys from which on products of matrices are faster, by an NVIDIA H200. Plain WGSL, whose threads take
 * one, two, four or eight rows, multiplies each with each key's elements, so that of blocks it is soon bound by that and
 * not by reading them. Of wide heads sixteen rows take less than eight in plain WGSL, fewer have not been measured; of
 * wider ones lanes cannot hold queries and output.
 */
function leastMatrixRows(widest: number): { readonly halves: number; readonly blocks: number } {
  if (widest > 256) return { halves: Infinity, blocks: Infinity }
  return widest > 128 ? { halves: 16, blocks: 16 } : { halves: 5, blocks: 3 }
}

/** Makes the kernel, where the device has matrices for these sizes and they pay. */
export function decodeOnMatrices(
  { shape, dtype }: Call,
  { matrix: wanted }: WantedDecodeTile,
  capabilities: Capabilities,
): DecodeMatrixKernel | Refusal {
  const { heads, kvHeads, queryLength, headDim, valueDim } = shape
  const groupRows = (heads / kvHeads) * queryLength
  if (dtype !== 'float16') return { refused: 'subgroup matrices multiply float16' }
  // Software adapters take long to compile matrices and gain nothing.
  const least = leastMatrixRows(Math.max(headDim, valueDim))
  const paysFrom = (rows: number): boolean =>
    typeof wanted === 'object' || (wanted ?? (groupRows >= rows && !isSoftware(capabilities)))
  if (!paysFrom(least.blocks)) return { refused: 'too few rows share keys for subgroup matrices' }
  const given = typeof wanted === 'object' ? wanted : {}
  const sizes = { headDim, valueDim, rows: groupRows }
  const tile = chooseDecodeMatrixTile(sizes, capabilities, given)
  if (!tile) return { refused: 'the device has no subgroup matrices for these sizes' }
  const { rows, keys, workgroups, subgroups, subgroupSize } = tile
  const memory = decodeMatrixMemory(tile, headDim, valueDim)
  return {
    kind: 'matrix',
    tile,
    ...spreadKeys({ shape, dtype, rows, chunkKeys: keys, workgroups }, capabilities),
    threads: subgroups * subgroupSize,
    workgroupBytes: memory.bytes,
    slots: 1,
    preferred: paysFrom(least.halves)
      ? '; many rows share it, so products are those of subgroup matrices'
      : '; of quantized blocks products are those of subgroup matrices',
    suits: (tensors) =>
      (paysFrom(least.halves) ||
        (tensors.quantized?.key !== undefined && tensors.quantized.value !== undefined)) &&
      rowsSuit(tensors, 'key', headDim, keys) &&
      rowsSuit(tensors, 'value', valueDim, keys),
    accesses: (tensors) => ({
      query: accessOf(tensors.query, true),
      key: rowAccess(tensors, 'key'),
      value: rowAccess(tensors, 'value'),
      output: accessOf(tensors.output, true),
    }),
    text: (config) => decodeMatrixKernel({ ...config, tile, memory }),
  }
}

/** Rows up to which blocks are multiplied in chunks of 16 keys. */
const mostRowsOfBlocks = 8

/**
 * The same kernel with a tile for blocks and few rows: of these an NVIDIA H200 reads more a second by many workgroups of
 * one subgroup, of halves less.
 */
export function blocksOnMatrices(
  call: Call,
  wanted: WantedDecodeTile,
  capabilities: Capabilities,
): DecodeMatrixKernel | Refusal {
  const general = decodeOnMatrices(call, wanted, capabilities)
  if ('refused' in general) return general
  if (typeof wanted.matrix === 'object' || general.groupRows > mostRowsOfBlocks) {
    return { refused: 'another tile is wanted, or faster' }
  }
  const tile = { ...wanted, matrix: { subgroups: 1, keys: 16 } }
  const kernel = decodeOnMatrices(call, tile, capabilities)
  if ('refused' in kernel) return kernel
  return {
    ...kernel,
    preferred: general.preferred,
    suits: (tensors) =>
      tensors.quantized?.key !== undefined &&
      tensors.quantized.value !== undefined &&
      kernel.suits(tensors),
  }
}
