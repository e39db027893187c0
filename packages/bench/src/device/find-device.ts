// The best device this machine has: a GPU through WebGPU, else a software adapter, else the CPU
// itself, and why it came to that.
import { UnsupportedError } from '@attn/core'
import { isSoftware } from '@attn/webgpu-flash'
import { createArguments } from './dawn-flags.ts'
import type { DawnFlags } from './dawn-flags.ts'

/** A GPU, a GPU's imitation in software, or plain JavaScript. */
export type DeviceKind = 'gpu' | 'software' | 'cpu'

/** What a report says about a device: plain data. */
export interface DeviceReport {
  readonly kind: DeviceKind
  /** For people: `NVIDIA H200`. */
  readonly name: string
  /** As the adapter says it; often name and version of the driver. */
  readonly description: string
  readonly vendor: string
  readonly architecture: string
  /** What ran: `Dawn (Vulkan)`, `the browser's WebGPU`, `JavaScript`. */
  readonly backend: string
  readonly flags?: DawnFlags | undefined
  readonly features: readonly string[]
  readonly limits: Readonly<Record<string, number>>
}

/** A WebGPU device; what `createFlashAttention` takes. */
export interface FoundGpu {
  readonly kind: 'gpu' | 'software'
  readonly report: DeviceReport
  readonly device: GPUDevice
  /** Dawn lists subgroup matrices here, and not in `device.adapterInfo`. */
  readonly adapterInfo: GPUAdapterInfo
  release(): void
}

/** A device to measure on. Whoever found it releases it. */
export type FoundDevice =
  { readonly kind: 'cpu'; readonly report: DeviceReport; release(): void } | FoundGpu

/** Which device to look for. */
export interface FindDeviceOptions {
  /** `auto` takes the best there is. Default: `auto`. */
  readonly kind?: DeviceKind | 'auto' | undefined
  /** Dawn's switches; only Node can set them, a browser ignores this. */
  readonly flags: DawnFlags
}

const wantedFeatures = [
  'timestamp-query',
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'chromium-experimental-subgroup-matrix',
]
const wantedLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const satisfies readonly (keyof GPUSupportedLimits)[]

/**
 * Finds a device and opens it with every limit and feature that attention can use.
 *
 * @param options - Which kind; Dawn's flags.
 * @throws UnsupportedError when a kind was asked for by name and this machine has none.
 */
export async function findDevice(options: FindDeviceOptions): Promise<FoundDevice> {
  const { kind = 'auto', flags } = options
  if (kind === 'cpu') return cpuDevice('as asked for')
  let reason = 'no WebGPU adapter'
  try {
    const found = await openGpu(kind, flags)
    if (found && (kind === 'auto' || found.kind === kind)) return found
    if (found) {
      reason = `the only adapter is ${found.report.name}`
      found.release()
    }
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error)
  }
  if (kind !== 'auto') {
    const what = kind === 'gpu' ? 'GPU' : 'software adapter'
    throw new UnsupportedError(
      `findDevice: found no ${what} (${reason}); use another device or install its driver`,
    )
  }
  return cpuDevice(reason)
}

function cpuDevice(reason: string): FoundDevice {
  const report: DeviceReport = {
    kind: 'cpu',
    name: 'CPU reference in JavaScript',
    description: reason,
    vendor: '',
    architecture: globalThis.process?.arch ?? '',
    backend: 'JavaScript',
    features: [],
    limits: {},
  }
  return { kind: 'cpu', report, release: () => {} }
}

async function openGpu(
  kind: 'auto' | 'gpu' | 'software',
  flags: DawnFlags,
): Promise<FoundGpu | undefined> {
  const inBrowser = globalThis.navigator?.gpu
  // Dawn's devices die with the object that `create` returns: `release` keeps it until then.
  let instance: GPU | undefined = inBrowser ?? (await createInNode(flags))
  const adapter =
    kind === 'software'
      ? await instance.requestAdapter({ forceFallbackAdapter: true })
      : await instance.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter) return undefined
  const features = wantedFeatures.filter(
    (feature) => adapter.features.has(feature) && !flags.withheld?.includes(feature),
  )
  const device = await adapter.requestDevice({
    requiredFeatures: features as GPUFeatureName[],
    requiredLimits: Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]])),
  })
  const backend = inBrowser ? "the browser's WebGPU" : `Dawn (${nativeInterface()})`
  const found = computesOnCpu(adapter.info) ? 'software' : 'gpu'
  return {
    kind: found,
    device,
    adapterInfo: adapter.info,
    report: describe(found, adapter, device, backend, inBrowser ? undefined : flags),
    release() {
      device.destroy()
      instance = undefined
    },
  }
}

async function createInNode(flags: DawnFlags): Promise<GPU> {
  const name = 'webgpu'
  const { create, globals } = (await import(/* @vite-ignore */ name)) as typeof import('webgpu')
  Object.assign(globalThis, globals)
  return create(createArguments(flags))
}

/** What Dawn talks to on this platform unless told otherwise. */
function nativeInterface(): string {
  const platform = globalThis.process?.platform
  return platform === 'darwin' ? 'Metal' : platform === 'win32' ? 'Direct3D 12' : 'Vulkan'
}

/** Whether an adapter computes on the CPU. */
function computesOnCpu(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || isSoftware({ adapter: info })
}

function describe(
  kind: DeviceKind,
  { info }: GPUAdapter,
  device: GPUDevice,
  backend: string,
  flags: DawnFlags | undefined,
): DeviceReport {
  // Browsers give identifiers in lower case, joined by hyphens, or nothing at all.
  const words = (info.device || info.architecture).replace(/-+/g, ' ').trim()
  const name = words.startsWith(info.vendor) ? words : `${info.vendor} ${words}`.trim()
  return {
    kind,
    name: name || info.description || 'an adapter that does not say its name',
    description: info.description,
    vendor: info.vendor,
    architecture: info.architecture,
    backend,
    ...(flags ? { flags } : {}),
    features: wantedFeatures.filter((feature) => device.features.has(feature)),
    limits: Object.fromEntries(wantedLimits.map((limit) => [limit, device.limits[limit]])),
  }
}
