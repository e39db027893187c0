import { expect, test } from 'vitest'
import { remedies } from '../../src/diagnose/remedies.ts'
import { defaultCapabilities } from '../../src/index.ts'
import type { Capabilities } from '../../src/index.ts'

const full: Capabilities = {
  adapter: { vendor: 'nvidia', architecture: 'hopper', device: '', description: '' },
  shaderFloat16: true,
  subgroups: { minimum: 32, maximum: 32 },
  subgroupSizeControl: true,
  packedIntegerProducts: true,
  subgroupMatrices: [{ operands: 'f16', sums: 'f32', rows: 16, columns: 16, depth: 16 }],
  timestampQuery: true,
  limits: {
    ...defaultCapabilities.limits,
    maxComputeWorkgroupStorageSize: 49152,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxStorageBufferBindingSize: 2 ** 31,
  },
}

test('nothing is missing where everything is there', () => {
  expect(remedies(full)).toEqual([])
})

test.each<[string, Partial<Capabilities>, RegExp]>([
  [
    'a CPU in place of a GPU',
    { adapter: { ...full.adapter, description: 'llvmpipe (LLVM 20)' } },
    /^A CPU imitates the GPU/,
  ],
  ['no float16 arithmetic', { shaderFloat16: false }, /^shader-f16 is missing/],
  ['no subgroups', { subgroups: undefined }, /^subgroups is missing/],
  ['no matrices', { subgroupMatrices: [] }, /enable-unsafe-webgpu/],
  ['no timestamps', { timestampQuery: false }, /^timestamp-query is missing/],
  [
    'small bindings',
    { limits: { ...full.limits, maxStorageBufferBindingSize: 2 ** 27 } },
    /^A binding spans 134217728 bytes/,
  ],
  [
    'default limits',
    {
      limits: {
        ...full.limits,
        maxComputeWorkgroupStorageSize: 16384,
        maxComputeInvocationsPerWorkgroup: 256,
      },
    },
    /maxComputeWorkgroupStorageSize=16384.*requiredLimits/,
  ],
])('%s has a remedy, and only it', (_name, less, message) => {
  expect(remedies({ ...full, ...less })).toEqual([expect.stringMatching(message)])
})
