// The library on a device that was found: `createFlashAttention` takes its own options and nothing else, and
// a found device is more than those.
import { createFlashAttention } from '@attn/webgpu-flash'
import type { FlashAttention } from '@attn/webgpu-flash'
import type { FoundGpu } from './find-device.ts'

/** Makes the library; the device stays the finder's. */
export function flashOn({ device, adapterInfo }: FoundGpu): Promise<FlashAttention> {
  return createFlashAttention({ device, adapterInfo, training: true })
}
