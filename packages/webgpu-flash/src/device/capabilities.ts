// What an adapter can do for us, as plain data that plans, reports and tests can carry around.

/** The limits plans depend on. */
export interface DeviceLimits {
  /** Bytes of workgroup memory. */
  readonly maxComputeWorkgroupStorageSize: number
  /** Threads of a workgroup, over all its dimensions and along x. */
  readonly maxComputeInvocationsPerWorkgroup: number
  readonly maxComputeWorkgroupSizeX: number
  /** Workgroups of a dispatch along each dimension. */
  readonly maxComputeWorkgroupsPerDimension: number
  /** Storage buffers that a kernel may bind. */
  readonly maxStorageBuffersPerShaderStage: number
  /** Bytes one binding may span. */
  readonly maxStorageBufferBindingSize: number
  /** Bytes of one buffer. */
  readonly maxBufferSize: number
  /** Bytes that a binding's offset is a multiple of. */
  readonly minStorageBufferOffsetAlignment: number
}

/** One product of subgroup matrices: `[rows, depth]` times `[depth, columns]`. */
export interface SubgroupMatrix {
  /** Type of the operands and of the sums, as WGSL names them. */
  readonly operands: string
  readonly sums: string
  readonly rows: number
  readonly columns: number
  readonly depth: number
  /**
   * The subgroup size at which a small problem on them came out right when the library was made. Asked only
   * of matrices that are used with such a proof alone; see plan/usable-matrices.ts.
   */
  readonly provenAt?: number | undefined
}

/** What a device can do. */
export interface Capabilities {
  /** What the adapter says of itself; empty where it says nothing. */
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
  /** Whether a shader may say at which of these sizes it runs (`subgroup-size-control`). */
  readonly subgroupSizeControl: boolean
  /** Products of matrices a subgroup can do; empty where it can do none. */
  readonly subgroupMatrices: readonly SubgroupMatrix[]
  /** Whether WGSL has products of four bytes at a time (`packed_4x8_integer_dot_product`). */
  readonly packedIntegerProducts: boolean
  /** Whether passes may write timestamps. */
  readonly timestampQuery: boolean
  readonly limits: DeviceLimits
}

/** The limits every WebGPU device has: what plans can count on without asking. */
export const defaultLimits: DeviceLimits = {
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupsPerDimension: 65535,
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 134217728,
  maxBufferSize: 268435456,
  minStorageBufferOffsetAlignment: 256,
}

/** The least capable device WebGPU allows. */
export const defaultCapabilities: Capabilities = {
  adapter: { vendor: '', architecture: '', device: '', description: '' },
  shaderFloat16: false,
  subgroups: undefined,
  subgroupSizeControl: false,
  subgroupMatrices: [],
  packedIntegerProducts: false,
  timestampQuery: false,
  limits: defaultLimits,
}

/** A name that is still experimental, and so not among the types of WebGPU. */
export const subgroupMatrixFeature = 'chromium-experimental-subgroup-matrix'

/** In the standard since 2026, and newer than the types of WebGPU. */
export const subgroupSizeFeature = 'subgroup-size-control'

/** An entry of `GPUAdapterInfo.subgroupMatrixConfigs`, which the types do not have yet. */
interface SubgroupMatrixConfig {
  readonly componentType: string
  readonly resultComponentType: string
  readonly M: number
  readonly N: number
  readonly K: number
}

function readSubgroupMatrices(info: object): SubgroupMatrix[] {
  const { subgroupMatrixConfigs = [] } = info as {
    readonly subgroupMatrixConfigs?: readonly SubgroupMatrixConfig[]
  }
  return [...subgroupMatrixConfigs].map(({ componentType, resultComponentType, M, N, K }) => ({
    operands: componentType,
    sums: resultComponentType,
    rows: M,
    columns: N,
    depth: K,
  }))
}

/**
 * Reads a device's capabilities.
 *
 * @param info - The adapter's own information: Dawn lists subgroup matrices there and not with the
 *   device. Default: the device's.
 * @param packedIntegerProducts - Whether WGSL has these, which no device says; see language-features.ts. Default: it has not.
 */
export function readCapabilities(
  device: GPUDevice,
  info: Partial<GPUAdapterInfo> = device.adapterInfo ?? {},
  packedIntegerProducts = false,
): Capabilities {
  // Browsers may say less of themselves than the standard has fields for.
  const { vendor = '', architecture = '', device: name = '', description = '' } = info
  const { subgroupMinSize = 4, subgroupMaxSize = 128 } = info
  const limits = Object.fromEntries(
    Object.keys(defaultLimits).map((limit) => [limit, device.limits[limit as keyof DeviceLimits]]),
  ) as unknown as DeviceLimits
  // Types of WebGPU know some of the names, each those of its time.
  const features = new Set<string>(device.features)
  return {
    adapter: { vendor, architecture, device: name, description },
    shaderFloat16: features.has('shader-f16'),
    subgroups: features.has('subgroups')
      ? { minimum: subgroupMinSize, maximum: subgroupMaxSize }
      : undefined,
    subgroupSizeControl: features.has(subgroupSizeFeature),
    subgroupMatrices: features.has(subgroupMatrixFeature) ? readSubgroupMatrices(info) : [],
    packedIntegerProducts,
    timestampQuery: features.has('timestamp-query'),
    limits,
  }
}
