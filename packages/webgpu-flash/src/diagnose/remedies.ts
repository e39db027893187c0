// What keeps the faster kernels from a device, in words that say what to do about it.
import { defaultLimits } from '../device/capabilities.ts'
import type { Capabilities } from '../device/capabilities.ts'
import { isSoftware } from '../device/software.ts'

/** What could be better, the most important first; empty where nothing is missing. */
export function remedies(capabilities: Capabilities): string[] {
  const { shaderFloat16, subgroups, subgroupMatrices, timestampQuery, limits } = capabilities
  const found: string[] = []
  if (isSoftware(capabilities)) {
    found.push(
      'A CPU imitates the GPU, which is correct and slow. In a browser switch on hardware acceleration and look at chrome://gpu for what disables it; on Linux install the vendor’s Vulkan driver; in Node a driver the Vulkan loader finds.',
    )
  }
  if (!shaderFloat16) {
    found.push(
      'shader-f16 is missing, so float16 tensors are computed in float32 and no subgroup matrices are used. Newer drivers have it; Dawn hides it on NVIDIA under Vulkan unless started with --enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia. A device of your own has to be requested with the feature.',
    )
  }
  if (!subgroups) {
    found.push(
      'subgroups is missing, which decoding and subgroup matrices use. Chromium 134 and newer have it where the driver does; a device of your own has to be requested with the feature.',
    )
  }
  if (shaderFloat16 && subgroups && subgroupMatrices.length === 0) {
    found.push(
      'Subgroup matrices (tensor cores) are missing. Browsers have them behind a flag only: chrome://flags/#enable-unsafe-webgpu in Chromium, allow_unsafe_apis in Node. A device of your own has to be requested with chromium-experimental-subgroup-matrix, and createFlashAttention needs its adapterInfo.',
    )
  }
  const raised = ['maxComputeWorkgroupStorageSize', 'maxComputeInvocationsPerWorkgroup'] as const
  const low = raised.filter((name) => limits[name] <= defaultLimits[name])
  if (low.length === raised.length) {
    found.push(
      `The device has the limits that every WebGPU device has (${low.map((name) => `${name}=${limits[name]}`).join(', ')}), which leave the larger tiles out. Where the adapter offers more, request the device with requiredLimits.`,
    )
  }
  if (limits.maxStorageBufferBindingSize <= defaultLimits.maxStorageBufferBindingSize) {
    found.push(
      `A binding spans ${limits.maxStorageBufferBindingSize} bytes at most, so that large tensors are computed in parts. Where the adapter offers more, request the device with requiredLimits.maxStorageBufferBindingSize.`,
    )
  }
  if (!timestampQuery) {
    found.push(
      'timestamp-query is missing: measurements fall back on the clock of the CPU. Results are not affected.',
    )
  }
  return found
}
