// Finding a device: the caller's GPU, the browser's, or in Node the one that the optional package
// `webgpu` (Dawn) brings.
import { UnsupportedError } from '@attn/core'
import { defaultLimits } from './capabilities.ts'

/** Features asked for where the adapter has them. */
const wantedFeatures: readonly GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query']

/** A device, and what else has to stay referenced while it is in use. */
export interface FoundDevice {
  readonly device: GPUDevice
  readonly gpu: GPU
}

/**
 * Requests a device with every limit and feature the kernels can use.
 *
 * @throws UnsupportedError when there is no WebGPU or no adapter.
 */
export async function requestDevice(
  gpu: GPU | undefined,
  powerPreference: GPUPowerPreference,
): Promise<FoundDevice> {
  const found = gpu ?? globalThis.navigator?.gpu ?? (await nodeGpu())
  if (!found) {
    throw new UnsupportedError(
      'createFlashAttention: no WebGPU here. Use a browser that has it (https pages only), or in Node install the package webgpu',
    )
  }
  const adapter = await found.requestAdapter({ powerPreference })
  if (!adapter) {
    throw new UnsupportedError(
      'createFlashAttention: WebGPU found no adapter. Update the graphics driver, or use a software adapter such as SwiftShader',
    )
  }
  const requiredLimits = Object.fromEntries(
    Object.keys(defaultLimits).map((name) => [
      name,
      adapter.limits[name as keyof GPUSupportedLimits],
    ]),
  ) as Record<string, number>
  const device = await adapter.requestDevice({
    requiredFeatures: wantedFeatures.filter((feature) => adapter.features.has(feature)),
    requiredLimits,
  })
  return { device, gpu: found }
}

async function nodeGpu(): Promise<GPU | undefined> {
  const { process } = globalThis as { process?: { versions?: { node?: string } } }
  if (process?.versions?.node === undefined) return undefined
  // Named by a variable so that bundlers for the browser leave it alone.
  const name = 'webgpu'
  try {
    const { create, globals } = (await import(/* @vite-ignore */ name)) as typeof import('webgpu')
    Object.assign(globalThis, globals)
    return create([])
  } catch {
    return undefined
  }
}
