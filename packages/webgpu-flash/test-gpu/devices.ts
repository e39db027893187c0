// The devices that a conformance suite runs on.
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const inBrowser = 'document' in globalThis

/** A name, and the library on a new device of that kind. */
export type DeviceKind = readonly [name: string, create: () => Promise<FlashAttention>]

/**
 * A device with all its adapter offers, and one with nothing but the limits every WebGPU device has:
 * this one where a GPU is required, as in CI, since it doubles the time. In a browser the first alone:
 * there it is the browser that is on trial.
 */
export function deviceKinds(gpu: GPU | undefined): readonly DeviceKind[] {
  const withAdapterLimits = (): Promise<FlashAttention> => createFlashAttention({ gpu: gpu! })
  const withDefaultLimits = async (): Promise<FlashAttention> => {
    const adapter = await gpu!.requestAdapter()
    return createFlashAttention({ device: await adapter!.requestDevice() })
  }
  const kinds: readonly DeviceKind[] = [
    ['webgpu with all its adapter offers', withAdapterLimits],
    ['webgpu at default limits', withDefaultLimits],
  ]
  const all = import.meta.env['ATTN_REQUIRE_GPU'] === '1' && !inBrowser
  return all ? kinds : kinds.slice(0, 1)
}
