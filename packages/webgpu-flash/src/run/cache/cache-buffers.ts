// The buffers of a cache, and larger ones in their place. Whether the device had the memory is said later:
// until then the old ones are kept, to go back to.
import { UnsupportedError } from '@attn/core'
import type { DType } from '@attn/core'
import type { GuardedCall } from '../../device/errors.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { quantizedHalves } from '../../quantized-tensor.ts'
import type { QuantizedParts } from '../../quantized-tensor.ts'
import { packedRow } from '../../codegen/access.ts'
import type { PlanHost } from '../plan-host.ts'
import { createRotated } from '../rotate/rotate-tensor.ts'

/** Keys and values. */
export type Held = Readonly<Record<'key' | 'value', GpuTensor>>

/** What the buffers are for. */
export interface CacheSizes {
  readonly batch: number
  readonly kvHeads: number
  readonly dims: Readonly<Record<'key' | 'value', number>>
  readonly dtype: DType
  /** Which of them are kept as blocks, and how. */
  readonly quantized: QuantizedParts
}

/** The buffers of a cache. */
export interface CacheBuffers {
  readonly held: Held
  readonly capacity: number
  /**
   * Copies what there is into larger buffers.
   *
   * @param lengths - What the sequences hold, to be told by `goBack`.
   * @param goBack - Called if there was no memory, when the old buffers are the cache's again.
   */
  grow(
    caller: string,
    call: GuardedCall,
    capacity: number,
    lengths: Int32Array,
    goBack: (lengths: Int32Array) => void,
  ): void
  /** Tokens that are forgotten are not gone back to either. */
  truncate(lengths: Int32Array): void
  destroy(): void
}

interface Snapshot {
  readonly held: Held
  readonly capacity: number
  readonly lengths: Int32Array
}

/** The same rows for each of so many sequences, as pages are. */
export function sharedRows({ key, value }: Held, batch: number): Held {
  const shared = (view: GpuTensor): GpuTensor => ({
    ...view,
    shape: [batch, ...view.shape.slice(1)],
    strides: [0, ...view.strides.slice(1)],
  })
  return { key: shared(key), value: shared(value) }
}

/** Makes a cache's buffers. */
export function createCacheBuffers(
  { device, buffers, errors, capabilities }: PlanHost,
  { batch, kvHeads, dims, dtype: given, quantized }: CacheSizes,
  initial: number,
): CacheBuffers {
  const allocate = (caller: string, call: GuardedCall, rows: number): Held =>
    buffers.undoOnThrow(() => {
      const make = (name: 'key' | 'value'): GpuTensor => {
        const type = quantized[name]
        // Blocks are made of 16-bit words, whatever the tokens are.
        const dtype = type ? 'float16' : given
        const width = type ? quantizedHalves(type, dims[name]) : dims[name]
        const headBytes = rows * packedRow(dtype, width, false) * elementBytes(dtype)
        const { maxStorageBufferBindingSize: most } = capabilities.limits
        if (headBytes > most) {
          throw new UnsupportedError(
            `${caller}: a head of ${headBytes} bytes exceeds the device's maxStorageBufferBindingSize=${most}; use a smaller capacity or request a larger limit`,
          )
        }
        const shape = [batch, kvHeads, rows, width]
        // Rows begin on whole words, as copies of heads must.
        const made = createRotated(buffers, `${name} cache`, shape, dtype, false)
        call.writes(made.storage)
        return made
      }
      return { key: make('key'), value: make('value') }
    })
  const release = (tensors: Held): void => {
    for (const { storage } of Object.values(tensors)) buffers.release(storage)
  }
  let capacity = initial
  let held = errors.guard('flash.cache', (call) => allocate('flash.cache', call, capacity))
  /** What was held before each `grow` of which the device has not said yet whether it had the memory. */
  const earlier: Snapshot[] = []
  return {
    get held() {
      return held
    },
    get capacity() {
      return capacity
    },
    grow: (caller, call, wanted, lengths, goBack) => {
      const old = held
      const larger = allocate(caller, call, wanted)
      const encoder = device.createCommandEncoder({ label: 'attn grow' })
      for (const name of ['key', 'value'] as const) {
        call.reads(old[name].storage)
        copyHeads(encoder, old[name], larger[name])
      }
      device.queue.submit([encoder.finish()])
      const before: Snapshot = { held: old, capacity, lengths: lengths.slice() }
      earlier.push(before)
      call.onSuccess(() => {
        if (earlier.includes(before)) {
          earlier.splice(earlier.indexOf(before), 1)
          release(old)
        }
      })
      // Undoes it, and those that were built on it.
      call.onFailure(() => {
        if (!earlier.includes(before)) return
        const later = earlier.splice(earlier.indexOf(before)).slice(1)
        for (const tensors of [held, ...later.map((snapshot) => snapshot.held)]) release(tensors)
        ;({ held, capacity } = before)
        goBack(before.lengths)
      })
      held = larger
      capacity = wanted
    },
    truncate: (wanted) => {
      // What is appended in their place is in the newest buffers only.
      for (const { lengths: kept } of earlier) {
        kept.set(kept.map((length, sequence) => Math.min(length, wanted[sequence]!)))
      }
    },
    destroy: () => {
      release(held)
      for (const { held: old } of earlier.splice(0)) release(old)
    },
  }
}

/** Copies the rows of every head to a tensor with more rows. */
function copyHeads(encoder: GPUCommandEncoder, from: GpuTensor, to: GpuTensor): void {
  const [batch, heads] = from.shape as [number, number]
  const bytes = elementBytes(from.dtype)
  for (let plane = 0; plane < batch * heads; plane++) {
    const size = from.strides[1]! * bytes
    const target = plane * to.strides[1]! * bytes
    encoder.copyBufferToBuffer(from.storage, plane * size, to.storage, target, size)
  }
}
