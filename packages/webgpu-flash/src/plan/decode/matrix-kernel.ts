// The decode kernel on subgroup matrices with its tile, for many rows that share keys, which lie in whole vectors.
import type { Capabilities } from '../../device/capabilities.ts'
import { isSoftware } from '../../device/software.ts'
import type { DecodeAccess } from '../../kernels/decode/decode-access.ts'
import { decodeMatrixKernel } from '../../kernels/decode/matrix/decode-matrix.wgsl.ts'
import { accessOf, rowsBeginAt } from '../access-of.ts'
import type { Call } from '../call.ts'
import type { Refusal } from '../planned.ts'
import type { DecodeMatrixKernel, DecodeTensors } from './decode-kernel.ts'
import { chooseDecodeMatrixTile, decodeMatrixMemory } from './decode-matrix-tile.ts'
import { spreadKeys } from './decode-spread.ts'
import type { WantedDecodeTile } from './wanted-decode-tile.ts'

/**
 * Rows that share keys from which on products of matrices are faster, by an NVIDIA H200: eight are about equal to plain
 * WGSL, and of wide heads twelve are still slower.
 */
const leastMatrixRows = (headDim: number): number => (headDim > 128 ? 16 : 9)

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
  const pays = groupRows >= leastMatrixRows(headDim) && !isSoftware(capabilities)
  if (!(wanted ?? pays)) return { refused: 'too few rows share keys for subgroup matrices' }
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
    preferred: '; many rows share it, so products are those of subgroup matrices',
    suits: (tensors) =>
      liesInVectors(tensors, 'key', headDim) && liesInVectors(tensors, 'value', valueDim),
    accesses: (tensors) => ({
      query: accessOf(tensors.query, true),
      key: rowAccess(tensors, 'key'),
      value: rowAccess(tensors, 'value'),
      output: accessOf(tensors.output, true),
    }),
    text: (config) => decodeMatrixKernel({ ...config, tile, memory }),
  }
}

/** Whether rows of keys or values are whole vectors: of eight halves, or of blocks two at a time in whole words. */
function liesInVectors(tensors: DecodeTensors, name: 'key' | 'value', dims: number): boolean {
  const view = tensors[name]
  const quantized = tensors.quantized?.[name]
  if (quantized && dims % 64 !== 0) return false
  return view.strides[3] === 1 && rowsBeginAt(view, quantized ? 2 : 8)
}

function rowAccess(tensors: DecodeTensors, name: 'key' | 'value'): DecodeAccess {
  const quantized = tensors.quantized?.[name]
  const access = { dtype: 'float16', nativeFloat16: true, vector: true } as const
  return quantized ? { ...access, wide: false, quantized, atOnce: 2 } : { ...access, wide: true }
}
