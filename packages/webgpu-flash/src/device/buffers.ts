// GPU memory with an account of it: every buffer the library makes is listed here, so that plans
// can say what they hold and `destroy` can free everything.
import { UnsupportedError } from '@attn/core'
import { GpuOutOfMemoryError } from './errors.ts'

/** What the library holds on the GPU. */
export interface MemoryUse {
  /** Bytes in buffers that are alive. */
  readonly allocatedBytes: number
  /** The most there ever were since the last reset. */
  readonly peakBytes: number
}

/** Makes and frees buffers. */
export interface BufferPool {
  readonly use: MemoryUse
  resetPeak(): void
  /**
   * A new zeroed buffer of at least 16 bytes.
   *
   * @throws UnsupportedError when it is larger than the device allows.
   */
  allocate(label: string, bytes: number, usage?: number): GPUBuffer
  /**
   * A new buffer that holds these words.
   *
   * @throws UnsupportedError as `allocate`, GpuOutOfMemoryError when there is no memory to map.
   */
  upload(label: string, words: ArrayBufferView, usage?: number): GPUBuffer
  /** Frees a buffer made here; others are left alone. */
  release(buffer: GPUBuffer): void
  /**
   * Strikes a buffer from the account without destroying it: its memory is freed when nothing that
   * was encoded uses it any more.
   */
  forget(buffer: GPUBuffer): void
  releaseAll(): void
  /** Runs `make`; where it throws, the buffers that it made are freed. */
  undoOnThrow<T>(make: () => T): T
}

// Numbers of GPUBufferUsage, which is not a global everywhere at import time.
const copySource = 0x04
const copyDestination = 0x08
const storage = 0x80

/** Starts an account of a device's buffers. */
export function createBufferPool(device: GPUDevice): BufferPool {
  const alive = new Set<GPUBuffer>()
  let allocatedBytes = 0
  let peakBytes = 0
  /** What `undoOnThrow` has to free. */
  let made: GPUBuffer[] | undefined
  const createBuffer = (descriptor: GPUBufferDescriptor): GPUBuffer => {
    try {
      return device.createBuffer(descriptor)
    } catch (error) {
      // Mapping at creation needs memory at once; everything else is reported later.
      const { message } = error as Error
      throw new GpuOutOfMemoryError(`webgpu-flash: ${descriptor.label}: ${message}`, {
        cause: error,
      })
    }
  }
  const create = (
    label: string,
    bytes: number,
    usage: number,
    mappedAtCreation: boolean,
  ): GPUBuffer => {
    const size = Math.max(16, Math.ceil(bytes / 4) * 4)
    const { maxBufferSize } = device.limits
    if (size > maxBufferSize) {
      throw new UnsupportedError(
        `webgpu-flash: a buffer of ${size} bytes (${label}) exceeds the device's maxBufferSize=${maxBufferSize}; split the call over batch or heads, or request a device with a larger limit`,
      )
    }
    const buffer = createBuffer({ label: `attn ${label}`, size, usage, mappedAtCreation })
    alive.add(buffer)
    made?.push(buffer)
    allocatedBytes += size
    peakBytes = Math.max(peakBytes, allocatedBytes)
    return buffer
  }
  const strike = (buffer: GPUBuffer): boolean => {
    const known = alive.delete(buffer)
    if (known) allocatedBytes -= buffer.size
    return known
  }
  const release = (buffer: GPUBuffer): void => {
    if (strike(buffer)) buffer.destroy()
  }
  return {
    get use() {
      return { allocatedBytes, peakBytes }
    },
    resetPeak: () => {
      peakBytes = allocatedBytes
    },
    allocate: (label, bytes, usage = storage | copySource | copyDestination) =>
      create(label, bytes, usage, false),
    upload: (label, words, usage = storage | copySource | copyDestination) => {
      const buffer = create(label, words.byteLength, usage, true)
      const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
      new Uint8Array(buffer.getMappedRange()).set(bytes)
      buffer.unmap()
      return buffer
    },
    release,
    forget: (buffer) => void strike(buffer),
    releaseAll: () => [...alive].forEach(release),
    undoOnThrow: (make) => {
      const [outer, own]: [GPUBuffer[] | undefined, GPUBuffer[]] = [made, []]
      made = own
      try {
        return make()
      } catch (error) {
        own.forEach(release)
        throw error
      } finally {
        made = outer
        outer?.push(...own)
      }
    },
  }
}
