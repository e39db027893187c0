// A cache of keys and values on a device. Appending is the rotation of new rows into those of the cache,
// or their copy, each sequence from its own length on.
import { checkOptions, UnsupportedError } from '@attn/core'
import type { RotaryEmbedding } from '@attn/core'
import type { GuardedCall } from '../../device/errors.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { rotatedRow } from '../../plan/rotate/rope-options.ts'
import { logAppends } from './appended-tokens.ts'
import type { PlanHost } from '../attention-plan.ts'
import { checkTensor } from '../forward/forward-tensors.ts'
import {
  cacheTokens,
  checkCacheOptionNames,
  checkCacheOptions,
  perSequence,
} from './kv-cache-options.ts'
import type { CacheTokens, KeyValueCache, KeyValueCacheOptions } from './kv-cache-options.ts'
import { createRotated } from '../rotate/rotate-tensor.ts'
import { createRotation } from '../rotate/rotation.ts'
import { createSlots } from '../slots.ts'

const copies: RotaryEmbedding = {
  inverseFrequencies: [],
  attentionFactor: 1,
  layout: 'half',
  rotaryDim: 0,
}

type Held = Readonly<Record<'key' | 'value', GpuTensor>>

interface Snapshot {
  readonly held: Held
  readonly capacity: number
  readonly lengths: Int32Array
}

/** Makes an empty cache; see `FlashAttention.cache`. */
export function createKeyValueCache(host: PlanHost, options: KeyValueCacheOptions): KeyValueCache {
  checkCacheOptionNames(options)
  const { device, buffers, errors, capabilities } = host
  const { batch = 1, kvHeads, headDim, valueDim = headDim, dtype = 'float32', rope } = options
  checkCacheOptions({ ...options, batch, valueDim, dtype })
  const dims = { key: headDim, value: valueDim } as const

  let { capacity } = options
  const allocate = (caller: string, call: GuardedCall, rows: number): Held =>
    buffers.undoOnThrow(() => {
      const make = (name: 'key' | 'value'): GpuTensor => {
        const headBytes = rows * rotatedRow(dims[name], dtype, false) * elementBytes(dtype)
        const { maxStorageBufferBindingSize: most } = capabilities.limits
        if (headBytes > most) {
          throw new UnsupportedError(
            `${caller}: a head of ${headBytes} bytes exceeds the device's maxStorageBufferBindingSize=${most}; use a smaller capacity or request a larger limit`,
          )
        }
        const shape = [batch, kvHeads, rows, dims[name]]
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
  let held = errors.guard('flash.cache', (call) => allocate('flash.cache', call, capacity))
  const lengths = new Int32Array(batch)
  const log = logAppends(batch)
  /** What was held before each `grow` of which the device has not said yet whether it had the memory. */
  const earlier: Snapshot[] = []
  const entries = {
    words: new Uint32Array(2 * batch),
    batchStep: 1,
    rowStep: 0,
    growth: 1,
  } as const
  const rotations = {
    key: createRotation(host, 'flash.cache', rope ?? copies, entries),
    value: createRotation(host, 'flash.cache', copies, entries),
  }
  const places = createSlots(host, 'places of tokens', 8 * batch)
  let destroyed = false

  const checkUsable = (caller: string): void => {
    errors.checkAlive(caller)
    if (destroyed) throw new TypeError(`${caller}: the cache was destroyed`)
  }
  /** How many tokens each sequence appends, once all is found to fit. */
  const countsOf = (caller: string, tokens: CacheTokens): Int32Array => {
    checkOptions(caller, tokens, cacheTokens)
    const { key, value, counts } = tokens
    const length = key?.shape?.[2] ?? 0
    checkTensor(`${caller}: key`, key, [batch, kvHeads, length, headDim], dtype)
    checkTensor(`${caller}: value`, value, [batch, kvHeads, length, valueDim], dtype)
    if (length < 1) throw new RangeError(`${caller}: need at least one token, got ${length}`)
    const all = perSequence(caller, 'counts', counts ?? length, batch)
    all.forEach((count, sequence) => {
      if (count < 0 || count > length) {
        throw new RangeError(`${caller}: counts must lie in 0..${length}, got ${count}`)
      }
      if (lengths[sequence]! + count > capacity) {
        throw new RangeError(
          `${caller}: the cache is full: sequence ${sequence} holds ${lengths[sequence]} of ${capacity} tokens, got ${count} more; cache.grow or cache.truncate makes room`,
        )
      }
    })
    return all
  }
  const encode = (
    caller: string,
    call: GuardedCall,
    encoder: GPUCommandEncoder,
    tokens: CacheTokens,
    counts: Int32Array,
    recorded: boolean,
  ): void => {
    const words = new Uint32Array(2 * batch)
    counts.forEach((count, sequence) => words.set([lengths[sequence]!, count], 2 * sequence))
    const own = { words: places.write(call, words, recorded), appends: true }
    const pass = encoder.beginComputePass({ label: 'attn append' })
    for (const name of ['key', 'value'] as const) {
      rotations[name].encode(caller, call, pass, tokens[name], held[name], 1, own)
    }
    pass.end()
  }
  const advance = ({ key }: CacheTokens, counts: Int32Array): void => {
    log.append(key.shape[2]!, counts, lengths)
    counts.forEach((count, sequence) => {
      lengths[sequence]! += count
    })
  }

  /** Undoes a `grow` that the device had no memory for, and those that were built on it. */
  const goBack = (before: Snapshot): void => {
    if (!earlier.includes(before)) return
    const later = earlier.splice(earlier.indexOf(before)).slice(1)
    for (const tensors of [held, ...later.map((snapshot) => snapshot.held)]) release(tensors)
    ;({ held, capacity } = before)
    log.remove(lengths.map((length, sequence) => length - before.lengths[sequence]!))
    lengths.set(before.lengths)
  }

  return {
    get key() {
      return held.key
    },
    get value() {
      return held.value
    },
    get capacity() {
      return capacity
    },
    get lengths() {
      return Array.from(lengths)
    },
    length: (sequence = 0) => {
      if (!(sequence in lengths)) {
        throw new RangeError(`cache.length: sequence must lie in 0..${batch - 1}, got ${sequence}`)
      }
      return lengths[sequence]!
    },
    inputs: () => ({ ...held, keyLengths: Array.from(lengths), appended: log.appended }),
    append: (tokens) => {
      checkUsable('cache.append')
      const counts = countsOf('cache.append', tokens)
      errors.guard('cache.append', (call) => {
        const encoder = device.createCommandEncoder({ label: 'attn append' })
        encode('cache.append', call, encoder, tokens, counts, false)
        device.queue.submit([encoder.finish()])
      })
      advance(tokens, counts)
    },
    encodeAppend: (encoder, tokens) => {
      checkUsable('cache.encodeAppend')
      const counts = countsOf('cache.encodeAppend', tokens)
      errors.guard('cache.encodeAppend', (call) =>
        encode('cache.encodeAppend', call, encoder, tokens, counts, true),
      )
      advance(tokens, counts)
    },
    truncate: (left) => {
      checkUsable('cache.truncate')
      const wanted = perSequence('cache.truncate', 'lengths', left, batch)
      wanted.forEach((length, sequence) => {
        if (length < 0 || length > lengths[sequence]!) {
          throw new RangeError(
            `cache.truncate: sequence ${sequence} holds ${lengths[sequence]} tokens, got ${length}`,
          )
        }
      })
      log.remove(wanted.map((length, sequence) => lengths[sequence]! - length))
      lengths.set(wanted)
      // What is appended in their place is in the newest buffers only.
      for (const { lengths: kept } of earlier) {
        kept.set(kept.map((length, sequence) => Math.min(length, wanted[sequence]!)))
      }
    },
    grow: (wanted) => {
      checkUsable('cache.grow')
      if (!Number.isInteger(wanted) || wanted < capacity) {
        throw new RangeError(
          `cache.grow: capacity must be an integer of at least ${capacity}, got ${wanted}`,
        )
      }
      const old = held
      errors.guard('cache.grow', (call) => {
        const larger = allocate('cache.grow', call, wanted)
        const encoder = device.createCommandEncoder({ label: 'attn grow' })
        for (const name of ['key', 'value'] as const) {
          call.reads(old[name].storage)
          copyHeads(encoder, old[name], larger[name])
        }
        device.queue.submit([encoder.finish()])
        // Whether there was memory is said later: until then the old buffers are kept.
        const before: Snapshot = { held: old, capacity, lengths: lengths.slice() }
        earlier.push(before)
        call.onSuccess(() => {
          if (earlier.includes(before)) {
            earlier.splice(earlier.indexOf(before), 1)
            release(old)
          }
        })
        call.onFailure(() => goBack(before))
        held = larger
        capacity = wanted
      })
    },
    destroy: () => {
      destroyed = true
      release(held)
      for (const { held: old } of earlier.splice(0)) release(old)
      places.destroy()
      for (const rotation of Object.values(rotations)) rotation.destroy()
    },
  }
}

/** Copies the rows of every head to a tensor with more rows. */
function copyHeads(encoder: GPUCommandEncoder, from: GpuTensor, to: GpuTensor): void {
  const [batch, heads] = from.shape as [number, number]
  const bytes = elementBytes(from.dtype)
  for (let plane = 0; plane < batch * heads; plane++) {
    const size = from.strides[1]! * bytes
    encoder.copyBufferToBuffer(
      from.storage,
      plane * size,
      to.storage,
      plane * to.strides[1]! * bytes,
      size,
    )
  }
}
