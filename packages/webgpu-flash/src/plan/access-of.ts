// How kernels read and write a tensor, by how it lies in memory.
import type { Access } from '../codegen/access.ts'
import type { GpuTensor } from '../gpu-tensor.ts'

/**
 * How a kernel reads a tensor.
 *
 * @param wide - Whether the kernel can move eight halves as one, where `shader-f16` is. Default: false.
 */
export function accessOf(view: GpuTensor, nativeFloat16: boolean, wide = false): Access {
  const moves = (count: number): boolean => isVector(view, count)
  return {
    dtype: view.dtype,
    nativeFloat16,
    vector: moves(4),
    ...(wide && nativeFloat16 && view.dtype === 'float16' && moves(8) ? { wide } : {}),
  }
}

/** Whether so many neighbours along dim can be moved as one. */
function isVector(view: GpuTensor, count: number): boolean {
  return view.shape[3]! % count === 0 && view.strides[3] === 1 && rowsBeginAt(view, count)
}

/** Whether every row begins at a multiple of `count`. */
export function rowsBeginAt(
  { shape, strides, offset }: Pick<GpuTensor, 'shape' | 'strides' | 'offset'>,
  count: number,
): boolean {
  const outer = strides.slice(0, 3)
  return (
    offset % count === 0 && outer.every((stride, axis) => stride % count === 0 || shape[axis] === 1)
  )
}
