// The two devices that suites run on: one with all its adapter offers, and one with nothing but the
// limits every WebGPU device has.
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

/** A name and a maker for each device. */
export function deviceKinds(
  gpu: GPU | undefined,
): readonly (readonly [string, () => Promise<FlashAttention>])[] {
  return [
    ['webgpu with all its adapter offers', async () => createFlashAttention({ gpu: gpu! })],
    [
      'webgpu at default limits',
      async () => {
        const adapter = await gpu!.requestAdapter()
        return createFlashAttention({ device: await adapter!.requestDevice() })
      },
    ],
  ]
}
