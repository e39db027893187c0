// Devices with subgroup matrices, as data.
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import type { Capabilities } from '../../src/device/capabilities.ts'

const product = { operands: 'f16', sums: 'f32', rows: 16, columns: 16, depth: 16 }

/** Like the one that the kernels were measured on. */
export const withMatrices: Capabilities = {
  ...defaultCapabilities,
  shaderFloat16: true,
  subgroups: { minimum: 32, maximum: 32 },
  subgroupMatrices: [{ ...product, sums: 'f16' }, product],
  limits: {
    ...defaultCapabilities.limits,
    maxComputeWorkgroupStorageSize: 49152,
    maxComputeInvocationsPerWorkgroup: 1024,
  },
}

/** Small matrices and small subgroups. */
export const withEights: Capabilities = {
  ...withMatrices,
  subgroups: { minimum: 8, maximum: 8 },
  subgroupMatrices: [{ ...product, rows: 8, columns: 8, depth: 8 }],
  limits: { ...withMatrices.limits, maxComputeWorkgroupStorageSize: 32768 },
}
