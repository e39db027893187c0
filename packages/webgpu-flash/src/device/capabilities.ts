// What an adapter can do for us, as plain data that plans, reports and tests can carry around.

/** The limits plans depend on. */
export interface DeviceLimits {
  /** Bytes of workgroup memory. */
  readonly maxComputeWorkgroupStorageSize: number
  readonly maxComputeInvocationsPerWorkgroup: number
  readonly maxComputeWorkgroupSizeX: number
  readonly maxComputeWorkgroupsPerDimension: number
  /** Bytes one binding may span. */
  readonly maxStorageBufferBindingSize: number
  readonly maxBufferSize: number
  readonly minStorageBufferOffsetAlignment: number
}

/** What a device can do. */
export interface Capabilities {
  readonly adapter: {
    readonly vendor: string
    readonly architecture: string
    readonly device: string
    readonly description: string
  }
  /** Whether shaders may compute with f16. float16 tensors work without. */
  readonly shaderFloat16: boolean
  /** Whether shaders may talk within a subgroup, and its sizes. */
  readonly subgroups: { readonly minimum: number; readonly maximum: number } | undefined
  readonly timestampQuery: boolean
  readonly limits: DeviceLimits
}

/** The limits every WebGPU device has: what plans can count on without asking. */
export const defaultLimits: DeviceLimits = {
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupsPerDimension: 65535,
  maxStorageBufferBindingSize: 134217728,
  maxBufferSize: 268435456,
  minStorageBufferOffsetAlignment: 256,
}

/** The least capable device WebGPU allows. */
export const defaultCapabilities: Capabilities = {
  adapter: { vendor: '', architecture: '', device: '', description: '' },
  shaderFloat16: false,
  subgroups: undefined,
  timestampQuery: false,
  limits: defaultLimits,
}

/** Reads a device's capabilities. */
export function readCapabilities(device: GPUDevice): Capabilities {
  const {
    vendor,
    architecture,
    device: name,
    description,
    subgroupMinSize,
    subgroupMaxSize,
  } = device.adapterInfo
  const limits = Object.fromEntries(
    Object.keys(defaultLimits).map((limit) => [limit, device.limits[limit as keyof DeviceLimits]]),
  ) as unknown as DeviceLimits
  return {
    adapter: { vendor, architecture, device: name, description },
    shaderFloat16: device.features.has('shader-f16'),
    subgroups: device.features.has('subgroups')
      ? { minimum: subgroupMinSize, maximum: subgroupMaxSize }
      : undefined,
    timestampQuery: device.features.has('timestamp-query'),
    limits,
  }
}
