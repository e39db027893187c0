// Finding a device: the caller's GPU, the browser's, or in Node the one that the optional package
// `webgpu` (Dawn) brings.
import { UnsupportedError } from '@attn/core'
import { defaultLimits, subgroupMatrixFeature, subgroupSizeFeature } from './capabilities.ts'
import { importWhereItRuns } from './import-where-it-runs.ts'

/** Features asked for where the adapter has them. */
const wantedFeatures = [
  'shader-f16',
  'subgroups',
  subgroupSizeFeature,
  subgroupMatrixFeature,
  'timestamp-query',
] as readonly GPUFeatureName[]

/** A device that the library requested for itself. */
export interface FoundDevice {
  readonly device: GPUDevice
  /** Where it came from. */
  readonly gpu: GPU
  /** What the adapter says of itself. */
  readonly info: GPUAdapterInfo
  destroy(): void
}

/**
 * Every entry point that a device came from, for as long as the process lives. In Node a device, destroyed or not, calls
 * into the object that `create` returned whenever something is awaited; where that was collected, the process crashes or
 * hangs. It does not keep a process from ending.
 */
const entryPoints = new Set<GPU>()

/** The one that the package `webgpu` made, which serves all libraries of this process. */
let entryPointOfNode: GPU | undefined

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
      { code: 'ATTN_NO_WEBGPU' },
    )
  }
  entryPoints.add(found)
  const adapter = await found.requestAdapter({ powerPreference })
  if (!adapter) {
    throw new UnsupportedError(
      'createFlashAttention: WebGPU found no adapter. Update the graphics driver, or use a software adapter such as SwiftShader',
      { code: 'ATTN_NO_ADAPTER' },
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
  return { device, gpu: found, info: adapter.info, destroy: () => device.destroy() }
}

/** What is used of the package `webgpu`. */
interface Dawn {
  readonly globals: Readonly<Record<string, unknown>>
  create(flags: string[]): GPU
}

async function nodeGpu(): Promise<GPU | undefined> {
  if (entryPointOfNode) return entryPointOfNode
  const { process } = globalThis as { process?: { versions?: { node?: string } } }
  if (process?.versions?.node === undefined) return undefined
  let dawn: Dawn
  try {
    dawn = (await importWhereItRuns('webgpu')) as Dawn
  } catch (error) {
    // Not installed, which the caller says; anything else is worth seeing.
    if ((error as { code?: string }).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw new UnsupportedError(
      `createFlashAttention: the package webgpu does not load here: ${(error as Error).message}`,
      { code: 'ATTN_WEBGPU_PACKAGE', cause: error },
    )
  }
  // GPUBufferUsage and its like, which browsers have without asking.
  for (const [key, value] of Object.entries(dawn.globals)) {
    if (!(key in globalThis))
      Object.defineProperty(globalThis, key, { value, configurable: true, writable: true })
  }
  entryPointOfNode ??= dawn.create([])
  return entryPointOfNode
}
