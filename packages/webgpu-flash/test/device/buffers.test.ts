import { describe, expect, it } from 'vitest'
import { UnsupportedError } from '@attn/core'
import { createBufferPool } from '../../src/device/buffers.ts'
import { GpuOutOfMemoryError } from '../../src/device/errors.ts'
import { createCallCache } from '../../src/run/call-cache.ts'
import { fakeDevice } from './fake-device.ts'

describe('createBufferPool', () => {
  it('keeps the account of what is alive and the most there was', () => {
    const { device, buffers } = fakeDevice()
    const pool = createBufferPool(device)
    const first = pool.allocate('first', 1000)
    const second = pool.upload('second', new Uint16Array(3))
    expect(pool.use).toEqual({ allocatedBytes: 1016, peakBytes: 1016 })
    pool.release(first)
    pool.release(first)
    expect(pool.use).toEqual({ allocatedBytes: 16, peakBytes: 1016 })
    pool.resetPeak()
    expect(pool.use.peakBytes).toBe(16)
    expect(buffers).toEqual(new Set([second]))
    pool.releaseAll()
    expect(pool.use.allocatedBytes).toBe(0)
    expect(buffers.size).toBe(0)
  })

  it('forgets a buffer without destroying it', () => {
    const { device, buffers } = fakeDevice()
    const pool = createBufferPool(device)
    pool.forget(pool.allocate('encoded', 64))
    expect(pool.use.allocatedBytes).toBe(0)
    expect(buffers.size).toBe(1)
  })

  it("leaves alone what is not the library's", () => {
    const { device, buffers } = fakeDevice()
    const pool = createBufferPool(device)
    pool.release(device.createBuffer({ size: 64, usage: 0 }))
    expect(buffers.size).toBe(1)
  })

  it('names the limit that a buffer exceeds, and what to do', () => {
    const pool = createBufferPool(fakeDevice({ maxBufferSize: 1024 }).device)
    expect(() => pool.allocate('output', 1028)).toThrow(
      new UnsupportedError(
        "webgpu-flash: a buffer of 1028 bytes (output) exceeds the device's maxBufferSize=1024; split the call over batch or heads, or request a device with a larger limit",
      ),
    )
    expect(pool.use.allocatedBytes).toBe(0)
  })

  it('says so when there is no memory to map', () => {
    const pool = createBufferPool(fakeDevice().device)
    const words = { byteLength: 2 ** 27 + 4 } as ArrayBufferView
    expect(() => pool.upload('tables', words)).toThrow(GpuOutOfMemoryError)
    expect(pool.use.allocatedBytes).toBe(0)
  })
})

describe('createCallCache', () => {
  it('prepares a call once, and keeps a bounded number of them', () => {
    const { device, buffers } = fakeDevice()
    const pool = createBufferPool(device)
    const cache = createCallCache(pool)
    const prepared: string[] = []
    const get = (key: string, bytes = 256): void => {
      cache.get(key, () => {
        prepared.push(key)
        return { uniforms: pool.allocate('parameters', bytes) }
      })
    }
    get('first')
    get('first')
    expect(prepared).toEqual(['first'])
    for (let i = 0; i < 1000; i++) {
      get(`step ${i}`)
      get('first')
    }
    // The one in use stays, the others make room; none is destroyed, as it may be encoded.
    expect(prepared).toHaveLength(1001)
    expect(pool.use.allocatedBytes).toBeLessThanOrEqual(64 * 256)
    expect(buffers.size).toBe(1001)
    get('huge', 2 ** 21)
    expect(pool.use.allocatedBytes).toBe(2 ** 21)
    get('first')
    expect(prepared).toHaveLength(1003)
  })

  it('frees what it holds', () => {
    const { device, buffers } = fakeDevice()
    const pool = createBufferPool(device)
    const cache = createCallCache(pool)
    cache.get('a', () => ({ uniforms: pool.allocate('parameters', 64) }))
    cache.get('b', () => ({ uniforms: pool.allocate('parameters', 64) }))
    cache.delete('a')
    cache.delete('a')
    cache.destroy()
    expect(pool.use.allocatedBytes).toBe(0)
    expect(buffers.size).toBe(1)
  })
})
