// The devices that a conformance suite runs on.
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const inBrowser = 'document' in globalThis

/** A name, and a library of its own on the device of that kind. */
export type DeviceKind = readonly [name: string, create: () => Promise<FlashAttention>]

/** Files that share a worker share devices, and so what was compiled on them. */
const shared = globalThis as { attnTestDevices?: Map<string, Promise<GPUDevice>> }

async function sharedDevice(kind: string, request: () => Promise<GPUDevice>): Promise<GPUDevice> {
  const devices = (shared.attnTestDevices ??= new Map<string, Promise<GPUDevice>>())
  const known = devices.get(kind)
  if (known) return known
  const device = request()
  devices.set(kind, device)
  void (await device).lost.then(() => devices.delete(kind))
  return device
}

/**
 * A device with all its adapter offers, and one with nothing but the limits every WebGPU device has.
 * ATTN_DEVICES says which: `offers`, `defaults` or `both`; the first unless told otherwise, as the
 * second doubles the time. In a browser the first alone: there it is the browser that is on trial.
 */
export function deviceKinds(gpu: GPU | undefined): readonly DeviceKind[] {
  const library = async (
    kind: string,
    request: () => Promise<GPUDevice>,
  ): Promise<FlashAttention> =>
    createFlashAttention({ device: await sharedDevice(kind, request), training: true })
  const withAdapterLimits = async (): Promise<FlashAttention> =>
    library(
      'offers',
      async () => (await createFlashAttention({ gpu: gpu!, training: true })).device,
    )
  const withDefaultLimits = (): Promise<FlashAttention> =>
    library('defaults', async () => (await gpu!.requestAdapter())!.requestDevice())
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
