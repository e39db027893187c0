// A tuning record of a made-up adapter with the limits that every device has.
import { defaultCapabilities, defaultLimits } from '../../src/device/capabilities.ts'
import type { Capabilities } from '../../src/device/capabilities.ts'
import { gradientKernelVersion } from '../../src/tune/gradient-kernel-version.ts'
import { kernelVersion } from '../../src/tune/kernel-version.ts'
import type { TuningEntry, TuningRecord } from '../../src/tune/record.ts'

export const adapter = { vendor: 'acme', architecture: 'one', device: '', description: '' }

export const capabilities: Capabilities = { ...defaultCapabilities, adapter }

/** Not the model's choice for any call. */
export const slowTile = {
  queries: 32,
  keys: 32,
  threadRows: 8,
  threadColumns: 8,
  dimChunk: 8,
  valueChunk: 8,
}
const gradientTile = {
  rows: 32,
  columns: 32,
  threadRows: 8,
  threadColumns: 8,
  dimChunk: 8,
  sourceChunk: 8,
}

export const entry: TuningEntry = {
  dtype: 'float32',
  headDim: 64,
  valueDim: 64,
  queryLengths: { from: 257, to: 1024 },
  masked: false,
  call: { batch: 1, heads: 8, kvHeads: 8, queryLength: 1024, keyLength: 1024 },
  forward: {
    best: slowTile,
    speedUp: 1.18,
    measured: [{ tile: slowTile, milliseconds: 0.5, samples: 10 }],
    skipped: [],
  },
  backward: {
    kernels: gradientKernelVersion(),
    query: { best: gradientTile, speedUp: 1.1, measured: [], skipped: [] },
    key: {
      best: gradientTile,
      speedUp: 1,
      measured: [],
      skipped: [{ tile: gradientTile, reason: 'x' }],
    },
  },
}

export const record: TuningRecord = {
  schema: 'attn-tuning/1',
  created: '2026-11-22T12:00:00.000Z',
  kernels: kernelVersion(),
  device: {
    adapter,
    shaderFloat16: false,
    subgroupMatrices: false,
    maxComputeWorkgroupStorageSize: defaultLimits.maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup: defaultLimits.maxComputeInvocationsPerWorkgroup,
  },
  clock: 'gpu-timestamps',
  entries: [entry],
}
