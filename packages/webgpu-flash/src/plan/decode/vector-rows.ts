// Rows of keys and values that a workgroup loads 16 bytes at a time, whatever threads share a row.
import type { DecodeAccess } from '../../kernels/decode/decode-access.ts'
import { rowsBeginAt } from '../access-of.ts'
import type { DecodeKeys, DecodeTensors } from './decode-kernel.ts'

/**
 * Whether rows of keys or values are loaded 16 bytes at a time: each begins with whole vectors of eight halves, or
 * blocks of a chunk's rows lie one after another. The last row ends on 16 bytes as well: of a vector that reaches beyond
 * its buffer some GPUs load nothing.
 */
export function rowsSuit(
  tensors: DecodeKeys,
  name: 'key' | 'value',
  dims: number,
  chunkKeys: number,
): boolean {
  const view = tensors[name]
  const quantized = tensors.quantized?.[name]
  if (!quantized) return view.strides[3] === 1 && rowsBeginAt(view, 8)
  const { shape, strides, offset } = view
  const { places } = tensors
  return (
    dims % 64 === 0 &&
    strides[2] === shape[3] &&
    (shape[2]! * shape[3]!) % 8 === 0 &&
    rowsBeginAt({ shape: shape.slice(0, 2), strides: strides.slice(0, 2), offset }, 8) &&
    (places?.kind !== 'pages' || places.pageSize >= chunkKeys)
  )
}

/** How they are read then. */
export function rowAccess(tensors: DecodeTensors, name: 'key' | 'value'): DecodeAccess {
  const quantized = tensors.quantized?.[name]
  const access = { dtype: 'float16', nativeFloat16: true, vector: true } as const
  return quantized ? { ...access, wide: false, quantized, atOnce: 8 } : { ...access, wide: true }
}
