// What adapters that people have say of themselves, as data: plans for them are made where none of
// them is. Browsers round limits down to Dawn's tiers (src/dawn/native/Limits.cpp: 16, 32, 48 or 64 KiB
// of workgroup memory; 256 or 1,024 invocations; bindings of 128 MiB, 1 GiB, 2 GiB - 4, 4 GiB - 4;
// offsets in 256 bytes), so most of what they say are a few numbers; Dawn in Node says the driver's own.
import type { DeviceLimits } from '../../src/index.ts'

/** A product that a subgroup can do, as `GPUAdapterInfo.subgroupMatrixConfigs` lists it. */
interface MatrixConfig {
  readonly componentType: string
  readonly resultComponentType: string
  readonly M: number
  readonly N: number
  readonly K: number
}

/** An adapter as WebGPU shows it. */
export interface AdapterData {
  readonly name: string
  /** Where the numbers come from. */
  readonly source: string
  readonly features: readonly string[]
  /** What WGSL has there beyond its first version, of what is asked for. */
  readonly languageFeatures: readonly string[]
  readonly limits: DeviceLimits
  readonly info: {
    readonly vendor: string
    readonly architecture: string
    readonly device?: string
    readonly description?: string
    readonly subgroupMinSize?: number
    readonly subgroupMaxSize?: number
    readonly subgroupMatrixConfigs?: readonly MatrixConfig[]
  }
  /** The subgroup size at which matrices that want a proof are taken to come out right. */
  readonly provenAt?: number
}

const matrices = (
  componentType: string,
  results: readonly string[],
  [M, N, K]: readonly [number, number, number],
): MatrixConfig[] =>
  results.map((resultComponentType) => ({ componentType, resultComponentType, M, N, K }))

const sizes = (subgroupMinSize: number, subgroupMaxSize: number) => ({
  subgroupMinSize,
  subgroupMaxSize,
})

const language = ['packed_4x8_integer_dot_product']
const matrix = 'chromium-experimental-subgroup-matrix'
const desktop = ['shader-f16', 'subgroups', 'subgroup-size-control', 'timestamp-query']

const defaults: DeviceLimits = {
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupsPerDimension: 65535,
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 134217728,
  maxBufferSize: 268435456,
  minStorageBufferOffsetAlignment: 256,
}

/** The tier of desktop GPUs in browsers. */
const large: DeviceLimits = {
  ...defaults,
  maxComputeWorkgroupStorageSize: 32768,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxStorageBuffersPerShaderStage: 10,
  maxStorageBufferBindingSize: 2147483644,
  maxBufferSize: 2147483648,
}

const phone: DeviceLimits = { ...large, maxStorageBufferBindingSize: 134217728 }

export const adapters: readonly AdapterData[] = [
  {
    name: 'defaults',
    source: 'WebGPU, "Limits": what every device has',
    features: [],
    languageFeatures: [],
    limits: defaults,
    info: { vendor: '', architecture: '' },
  },
  {
    name: 'apple-m',
    source:
      'Chrome 151 on an M-series Mac (subgroups of 32, 4 GiB - 4); matrices: Dawn, src/dawn/native/metal/PhysicalDeviceMTL.mm, family Apple7 and later',
    features: [...desktop, matrix],
    languageFeatures: language,
    limits: { ...large, maxStorageBufferBindingSize: 4294967292, maxBufferSize: 4294967292 },
    info: {
      vendor: 'apple',
      architecture: 'metal-3',
      ...sizes(32, 32),
      subgroupMatrixConfigs: [
        ...matrices('f32', ['f32'], [8, 8, 8]),
        ...matrices('f16', ['f16'], [8, 8, 8]),
      ],
    },
    provenAt: 32,
  },
  {
    name: 'intel-xe',
    source:
      'Direct3D 12, wave lanes 8 to 32 before Xe2; tiers of Chrome on Windows, no matrices there',
    features: desktop,
    languageFeatures: language,
    limits: large,
    info: { vendor: 'intel', architecture: 'xe-lpg', ...sizes(8, 32) },
  },
  {
    name: 'intel-xe2-vulkan',
    source:
      "ONNX Runtime's WebGPU provider, subgroup_matrix_matmul_nbits.cc: 8x16x16 with subgroups of 16 to 32 on Xe2 and Xe3",
    features: [...desktop, matrix],
    languageFeatures: language,
    limits: { ...large, maxStorageBufferBindingSize: 4294967292, maxBufferSize: 4294967292 },
    info: {
      vendor: 'intel',
      architecture: 'xe-2lpg',
      ...sizes(16, 32),
      subgroupMatrixConfigs: matrices('f16', ['f16', 'f32'], [8, 16, 16]),
    },
    provenAt: 16,
  },
  {
    name: 'amd-rdna3',
    source: 'Direct3D 12, wave lanes 32 to 64; tiers of Chrome on Windows, no matrices there',
    features: desktop,
    languageFeatures: language,
    limits: large,
    info: { vendor: 'amd', architecture: 'rdna-3', ...sizes(32, 64) },
  },
  {
    name: 'amd-rdna4-vulkan',
    source: 'Mesa, src/amd/vulkan/radv_physical_device.c: subgroups of 32 to 64, matrices 16x16x16',
    features: [...desktop, matrix],
    languageFeatures: language,
    limits: {
      ...large,
      maxComputeWorkgroupStorageSize: 65536,
      maxStorageBufferBindingSize: 4294967292,
      maxBufferSize: 4294967292,
    },
    info: {
      vendor: 'amd',
      architecture: 'rdna-4',
      ...sizes(32, 64),
      subgroupMatrixConfigs: matrices('f16', ['f16', 'f32'], [16, 16, 16]),
    },
    provenAt: 32,
  },
  {
    name: 'nvidia',
    source: 'Direct3D 12, wave lanes 32; tiers of Chrome on Windows, no matrices there',
    features: desktop,
    languageFeatures: language,
    limits: large,
    info: { vendor: 'nvidia', architecture: 'lovelace', ...sizes(32, 32) },
  },
  {
    name: 'nvidia-h200-vulkan',
    source:
      'read off an H200 through Dawn 0.6.2 with allow_unsafe_apis, vulkan_enable_f16_on_nvidia',
    features: [...desktop, matrix],
    languageFeatures: language,
    limits: {
      ...large,
      maxComputeWorkgroupStorageSize: 49152,
      maxStorageBuffersPerShaderStage: 16,
      maxBufferSize: 4294967292,
      minStorageBufferOffsetAlignment: 16,
    },
    info: {
      vendor: 'nvidia',
      architecture: 'hopper',
      ...sizes(32, 32),
      subgroupMatrixConfigs: [
        ...matrices('f16', ['f16', 'f32'], [16, 16, 16]),
        ...matrices('f16', ['f16', 'f32'], [16, 8, 16]),
        ...matrices('f16', ['f16', 'f32'], [16, 8, 8]),
        ...matrices('u8', ['u32'], [16, 16, 32]),
        ...matrices('u8', ['u32'], [16, 8, 32]),
        ...matrices('i8', ['i32'], [16, 16, 32]),
        ...matrices('i8', ['i32'], [16, 8, 32]),
      ],
    },
  },
  {
    name: 'adreno-7xx',
    source:
      'Mesa, src/freedreno (turnip): threads of 64, doubled to 128; bindings of 128 MiB as other phones in Chrome',
    features: desktop,
    languageFeatures: language,
    limits: phone,
    info: { vendor: 'qualcomm', architecture: 'adreno-7xx', ...sizes(64, 128) },
  },
  {
    name: 'mali-valhall',
    source:
      'Mesa, pan_subgroup_size: 16 from Valhall on; 512 invocations are the tier of 256 in Chrome',
    features: desktop,
    languageFeatures: language,
    limits: { ...phone, maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupSizeX: 256 },
    info: { vendor: 'arm', architecture: 'valhall', ...sizes(16, 16) },
  },
  {
    name: 'powervr-d',
    source: 'Chrome on a Pixel 10: subgroups of 4 to 128, bindings of 128 MiB, buffers of 2 GiB',
    features: desktop,
    languageFeatures: language,
    limits: phone,
    info: { vendor: 'img-tec', architecture: 'd-series', ...sizes(4, 128) },
  },
  {
    name: 'swiftshader',
    source: 'read off SwiftShader 5.0.0 through Dawn 0.6.2',
    features: ['subgroups', 'subgroup-size-control', 'timestamp-query'],
    languageFeatures: language,
    limits: {
      ...defaults,
      maxComputeWorkgroupStorageSize: 32768,
      maxStorageBufferBindingSize: 1073741824,
      maxBufferSize: 1073741824,
    },
    info: {
      vendor: 'google',
      architecture: 'swiftshader',
      device: 'swiftshader-device-subzero-',
      description: 'SwiftShader driver 5.0.0',
      ...sizes(4, 4),
    },
  },
  {
    name: 'lavapipe',
    source: 'read off Mesa 26.1.6 through Dawn 0.6.2 with allow_unsafe_apis',
    features: [...desktop, matrix],
    languageFeatures: language,
    limits: {
      ...large,
      maxStorageBufferBindingSize: 134217728,
      maxBufferSize: 4294967295,
      minStorageBufferOffsetAlignment: 16,
    },
    info: {
      vendor: 'mesa',
      architecture: 'software',
      device: 'llvmpipe-llvm-21-1-8-256-bits-',
      description: 'llvmpipe: Mesa 26.1.6-1 (LLVM 21.1.8)',
      ...sizes(8, 8),
      subgroupMatrixConfigs: [
        ...matrices('f16', ['f16', 'f32'], [8, 8, 8]),
        ...matrices('u8', ['u32'], [8, 8, 8]),
        ...matrices('i8', ['i32'], [8, 8, 8]),
      ],
    },
  },
]
