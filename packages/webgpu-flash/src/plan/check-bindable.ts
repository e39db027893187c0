// What a plan keeps on the GPU is bound whole, unlike tensors, which may be bound in parts.
import { UnsupportedError } from '@attn/core'
import type { DeviceLimits } from '../device/capabilities.ts'

/**
 * Checks that a buffer of a plan can be bound.
 *
 * @throws UnsupportedError when it is larger than a binding may be.
 */
export function checkBindable(
  caller: string,
  what: string,
  bytes: number,
  { maxStorageBufferBindingSize }: DeviceLimits,
): void {
  if (bytes > maxStorageBufferBindingSize) {
    throw new UnsupportedError(
      `${caller}: the ${what} of ${bytes} bytes exceeds the device's maxStorageBufferBindingSize=${maxStorageBufferBindingSize}; write masks and biases as expressions of positions instead of tensors, plan fewer heads at a time, or request a device with a larger limit`,
    )
  }
}
