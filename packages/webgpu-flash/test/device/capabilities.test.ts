import { describe, expect, it } from 'vitest'
import { UnsupportedError } from '@attn/core'
import {
  defaultCapabilities,
  defaultLimits,
  readCapabilities,
} from '../../src/device/capabilities.ts'
import { requestDevice } from '../../src/device/request-device.ts'

const device = (features: readonly string[], more: object = {}): GPUDevice =>
  ({
    features: new Set(features),
    limits: { ...defaultLimits, maxBindGroups: 4 },
    ...more,
  }) as unknown as GPUDevice

describe('readCapabilities', () => {
  it('is what every device has where nothing is said', () => {
    expect(readCapabilities(device([]))).toEqual(defaultCapabilities)
  })

  it('lists what plans depend on, as plain data', () => {
    const adapterInfo = {
      vendor: 'v',
      architecture: 'a',
      device: 'd',
      description: 'x',
      subgroupMinSize: 8,
      subgroupMaxSize: 32,
    }
    const features = ['shader-f16', 'subgroups', 'timestamp-query']
    const capabilities = readCapabilities(device(features, { adapterInfo }))
    expect(capabilities).toEqual({
      ...defaultCapabilities,
      adapter: { vendor: 'v', architecture: 'a', device: 'd', description: 'x' },
      shaderFloat16: true,
      subgroups: { minimum: 8, maximum: 32 },
      timestampQuery: true,
    })
    expect(JSON.parse(JSON.stringify(capabilities))).toEqual(capabilities)
  })
})

describe('requestDevice', () => {
  it('asks for every limit and feature it can use, and no other', async () => {
    let asked: GPUDeviceDescriptor | undefined
    const made = device([], { destroy: () => {} })
    const limits = { ...defaultLimits, maxBufferSize: 2 ** 32, maxTextureDimension2D: 16384 }
    const adapter = {
      limits,
      features: new Set(['shader-f16', 'bgra8unorm-storage']),
      info: {},
      requestDevice: async (descriptor: GPUDeviceDescriptor) => {
        asked = descriptor
        return Promise.resolve(made)
      },
    }
    const preferences: unknown[] = []
    const gpu = {
      requestAdapter: async (options: unknown) => {
        preferences.push(options)
        return Promise.resolve(adapter)
      },
    } as unknown as GPU
    const found = await requestDevice(gpu, 'low-power')
    expect(found.device).toBe(made)
    expect(preferences).toEqual([{ powerPreference: 'low-power' }])
    expect(asked).toEqual({
      requiredFeatures: ['shader-f16'],
      requiredLimits: { ...defaultLimits, maxBufferSize: 2 ** 32 },
    })
    found.destroy()
  })

  it('says what to do where there is no adapter', async () => {
    const gpu = { requestAdapter: async () => Promise.resolve(null) } as unknown as GPU
    const promise = requestDevice(gpu, 'high-performance')
    await expect(promise).rejects.toThrow(UnsupportedError)
    await expect(promise).rejects.toThrow('createFlashAttention: WebGPU found no adapter.')
  })
})
