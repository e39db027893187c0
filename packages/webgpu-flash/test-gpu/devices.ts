// The devices that a conformance suite runs on.
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

/** A name, and the library on a new device of that kind. */
export type DeviceKind = readonly [name: string, create: () => Promise<FlashAttention>]

/**
 * A device with all its adapter offers, and one with nothing but the limits every WebGPU device has.
 * In a browser the first alone: there it is the browser that is on trial, and time is short.
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
  return globalThis.navigator?.gpu ? kinds.slice(0, 1) : kinds
}
