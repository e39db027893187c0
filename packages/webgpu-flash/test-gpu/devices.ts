// The devices that a conformance suite runs on.
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const inBrowser = 'document' in globalThis

/** A name, and the library on a device of that kind. */
export type DeviceKind = readonly [name: string, create: () => Promise<FlashAttention>]

/** Files that share a worker share the device at default limits, and so what was compiled on it. */
const shared = globalThis as { attnDefaultDevice?: Promise<GPUDevice> | undefined }

async function defaultDevice(gpu: GPU): Promise<GPUDevice> {
  const request = async (): Promise<GPUDevice> => {
    const adapter = await gpu.requestAdapter()
    const device = await adapter!.requestDevice()
    void device.lost.then(() => (shared.attnDefaultDevice = undefined))
    return device
  }
  return (shared.attnDefaultDevice ??= request())
}

/**
 * A device with all its adapter offers, and one with nothing but the limits every WebGPU device has.
 * ATTN_DEVICES says which: `offers`, `defaults` or `both`; the first unless told otherwise, as the
 * second doubles the time. In a browser the first alone: there it is the browser that is on trial.
 */
export function deviceKinds(gpu: GPU | undefined): readonly DeviceKind[] {
  // A device of its own for each library, as most programs have it: what a library knows of its adapter comes with it.
  const withAdapterLimits = (): Promise<FlashAttention> =>
    createFlashAttention({ gpu: gpu!, training: true })
  const withDefaultLimits = async (): Promise<FlashAttention> =>
    createFlashAttention({ device: await defaultDevice(gpu!), training: true })
  const kinds = {
    offers: ['webgpu with all its adapter offers', withAdapterLimits],
    defaults: ['webgpu at default limits', withDefaultLimits],
  } as const satisfies Record<string, DeviceKind>
  const given = import.meta.env['ATTN_DEVICES'] as string | undefined
  const wanted = inBrowser ? 'offers' : given || 'offers'
  if (wanted === 'both') return Object.values(kinds)
  if (wanted === 'offers' || wanted === 'defaults') return [kinds[wanted]]
  throw new RangeError(`ATTN_DEVICES must be offers, defaults or both, got ${wanted}`)
}
