// How a kernel finds a tensor: the uniform fields of its offset and strides, and what goes into them.
import { elementBytes } from '../gpu-tensor.ts'
import type { GpuTensor } from '../gpu-tensor.ts'

const fields = ['Offset', 'Batch', 'Head', 'Row', 'Dim'] as const

/** Names of the uniform fields through which a kernel addresses tensors. */
export function addressFields(tensors: readonly string[]): string[] {
  return tensors.flatMap((tensor) => fields.map((field) => `${tensor}${field}`))
}

/**
 * The numbers for a tensor's fields: where it lies, counted from the start of its binding.
 *
 * @param unit - Elements that the kernel moves as one; offset and strides are counted in these.
 * @param start - First byte of the binding.
 */
export function addressValues(
  name: string,
  view: Omit<GpuTensor, 'storage'>,
  unit: number,
  start: number,
): Record<string, number> {
  const [batch, head, row, dim] = view.strides as [number, number, number, number]
  return {
    // Wraps below zero where the range begins later; the kernel's u32 sums wrap back.
    [`${name}Offset`]: (view.offset - start / elementBytes(view.dtype)) / unit,
    [`${name}Batch`]: Math.trunc(batch / unit),
    [`${name}Head`]: Math.trunc(head / unit),
    [`${name}Row`]: Math.trunc(row / unit),
    [`${name}Dim`]: dim,
  }
}
