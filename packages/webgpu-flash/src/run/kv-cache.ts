// Keys and values of the tokens so far, on the GPU: appended in place, each sequence at its own length,
// turned by their positions on the way in. A plan with `lengths: 'call'` serves while they grow.
import { UnsupportedError } from '@attn/core'
import type { DType, RotaryEmbedding } from '@attn/core'
import type { GuardedCall } from '../device/errors.ts'
import { elementBytes } from '../gpu-tensor.ts'
import type { GpuTensor } from '../gpu-tensor.ts'
import { rotatedRow } from '../plan/rope-options.ts'
import { checkRotary } from '../plan/rotary-words.ts'
import type { PlanHost } from './attention-plan.ts'
import { checkTensor } from './forward-tensors.ts'
import { createRotated } from './rotate-tensor.ts'
import { createRotation } from './rotation.ts'

/** What a cache is made for. */
export interface KeyValueCacheOptions {
  /** B: sequences. Default: 1. */
  readonly batch?: number
  /** Hkv: key and value heads. */
  readonly kvHeads: number
  /** D, 1 to 256. */
  readonly headDim: number
  /** Dv, 1 to 256. Default: `headDim`. */
  readonly valueDim?: number
  /** Tokens of a sequence there is room for. */
  readonly capacity: number
  /** Default: float32. */
  readonly dtype?: DType
  /** Turns keys by their positions as they are appended. Default: they are kept as they come. */
  readonly rope?: RotaryEmbedding
}

/** Tokens to append, of the cache's dtype. */
export interface CacheTokens {
  /** `[B, Hkv, L, D]`, any strides. */
  readonly key: GpuTensor
  /** `[B, Hkv, L, Dv]`, any strides. */
  readonly value: GpuTensor
  /** How many of the L each sequence appends, its first ones; the others are padding. Default: all. */
  readonly counts?: ArrayLike<number>
}

/** What a plan with `lengths: 'call'` takes of a cache. */
export interface CacheInputs {
  readonly key: GpuTensor
  readonly value: GpuTensor
  readonly keyLengths: readonly number[]
}

/**
 * Keys and values on the GPU. It grows when it is told to: an append beyond the capacity throws, and
 * leaves the cache as it was. Methods throw `TypeError` after `destroy`.
 */
export interface KeyValueCache {
  /** `[B, Hkv, capacity, D]`; rows from a sequence's length on hold nothing of meaning. */
  readonly key: GpuTensor
  /** `[B, Hkv, capacity, Dv]` */
  readonly value: GpuTensor
  readonly capacity: number
  /** Tokens of each sequence. */
  readonly lengths: readonly number[]
  /** Tokens of a sequence. Default: the first. */
  length(sequence?: number): number
  /** For `plan.forward({ query, ...cache.inputs() })`: what it holds now. */
  inputs(): CacheInputs
  /**
   * Appends tokens and submits at once: one, or many such as a prompt.
   *
   * @throws RangeError when a sequence would exceed the capacity, RangeError or TypeError for tensors
   *   and counts that do not fit.
   */
  append(tokens: CacheTokens): void
  /**
   * Records the same into the caller's encoder. `lengths` count the tokens from now on, so that the
   * attention recorded next sees them.
   */
  encodeAppend(encoder: GPUCommandEncoder, tokens: CacheTokens): void
  /**
   * Forgets the last tokens of each sequence, or all: rejected drafts, a conversation that begins anew.
   *
   * @param lengths - What is left, of each sequence or of all.
   * @throws RangeError when a sequence holds less.
   */
  truncate(lengths: number | ArrayLike<number>): void
  /**
   * Makes room: copies what there is into larger buffers, and frees the old ones. Submit what was
   * recorded with them before. Plans stay good up to the `keyLength` they were made for.
   *
   * @throws RangeError for less than the capacity, UnsupportedError for more than the device allows.
   */
  grow(capacity: number): void
  /** Frees its buffers at once. */
  destroy(): void
}

const copies: RotaryEmbedding = {
  inverseFrequencies: [],
  attentionFactor: 1,
  layout: 'half',
  rotaryDim: 0,
}

/** Makes an empty cache; see `FlashAttention.cache`. */
export function createKeyValueCache(host: PlanHost, options: KeyValueCacheOptions): KeyValueCache {
  const { device, buffers, errors, capabilities } = host
  const { batch = 1, kvHeads, headDim, valueDim = headDim, dtype = 'float32', rope } = options
  checkOptions({ ...options, batch, valueDim, dtype })
  const dims = { key: headDim, value: valueDim } as const

  let { capacity } = options
  const allocate = (caller: string, rows: number): Record<'key' | 'value', GpuTensor> =>
    errors.guard(caller, (call) =>
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
      }),
    )
  let held = allocate('flash.cache', capacity)
  const lengths = new Int32Array(batch)
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
  let destroyed = false

  const checkUsable = (caller: string): void => {
    errors.checkAlive(caller)
    if (destroyed) throw new TypeError(`${caller}: the cache was destroyed`)
  }
  /** How many tokens each sequence appends, once all is found to fit. */
  const countsOf = (caller: string, { key, value, counts }: CacheTokens): Int32Array => {
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
  ): GPUBuffer => {
    const words = new Uint32Array(2 * batch)
    counts.forEach((count, sequence) => words.set([lengths[sequence]!, count], 2 * sequence))
    const places = buffers.upload('places of tokens', words)
    call.writes(places)
    const own = { words: places, appends: true }
    const pass = encoder.beginComputePass({ label: 'attn append' })
    for (const name of ['key', 'value'] as const) {
      rotations[name].encode(caller, call, pass, tokens[name], held[name], 1, own)
    }
    pass.end()
    return places
  }
  const advance = (counts: Int32Array): void =>
    counts.forEach((count, sequence) => {
      lengths[sequence]! += count
    })

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
    inputs: () => ({ ...held, keyLengths: Array.from(lengths) }),
    append: (tokens) => {
      checkUsable('cache.append')
      const counts = countsOf('cache.append', tokens)
      errors.guard('cache.append', (call) => {
        const encoder = device.createCommandEncoder({ label: 'attn append' })
        const places = encode('cache.append', call, encoder, tokens, counts)
        device.queue.submit([encoder.finish()])
        buffers.release(places)
      })
      advance(counts)
    },
    encodeAppend: (encoder, tokens) => {
      checkUsable('cache.encodeAppend')
      const counts = countsOf('cache.encodeAppend', tokens)
      errors.guard('cache.encodeAppend', (call) => {
        // Its memory is freed once nothing that was encoded uses it.
        buffers.forget(encode('cache.encodeAppend', call, encoder, tokens, counts))
      })
      advance(counts)
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
      lengths.set(wanted)
    },
    grow: (wanted) => {
      checkUsable('cache.grow')
      if (!Number.isInteger(wanted) || wanted < capacity) {
        throw new RangeError(
          `cache.grow: capacity must be an integer of at least ${capacity}, got ${wanted}`,
        )
      }
      const larger = allocate('cache.grow', wanted)
      const old = held
      errors.guard('cache.grow', (call) => {
        const encoder = device.createCommandEncoder({ label: 'attn grow' })
        for (const name of ['key', 'value'] as const) {
          call.reads(old[name].storage)
          call.writes(larger[name].storage)
          copyHeads(encoder, old[name], larger[name])
        }
        device.queue.submit([encoder.finish()])
      })
      held = larger
      capacity = wanted
      for (const { storage } of Object.values(old)) buffers.release(storage)
    },
    destroy: () => {
      destroyed = true
      for (const { storage } of Object.values(held)) buffers.release(storage)
      for (const rotation of Object.values(rotations)) rotation.destroy()
    },
  }
}

function checkOptions(options: Required<Omit<KeyValueCacheOptions, 'rope'>> & { rope?: unknown }) {
  const { dtype, rope, headDim } = options
  for (const name of ['batch', 'kvHeads', 'headDim', 'valueDim', 'capacity'] as const) {
    if (!Number.isInteger(options[name]) || options[name] < 1) {
      throw new RangeError(`flash.cache: ${name} must be a positive integer, got ${options[name]}`)
    }
  }
  if (dtype !== 'float32' && dtype !== 'float16') {
    throw new TypeError(`flash.cache: dtype must be float32 or float16, got ${String(dtype)}`)
  }
  if (rope !== undefined) checkRotary('flash.cache: rope', rope as RotaryEmbedding, headDim)
}

/** One integer for each sequence, of one for all or of a list. */
function perSequence(
  caller: string,
  name: string,
  given: number | ArrayLike<number>,
  batch: number,
): Int32Array {
  const list = typeof given === 'number' ? Array.from({ length: batch }, () => given) : given
  if (list.length !== batch) {
    throw new RangeError(
      `${caller}: ${name} needs one number for each of ${batch} sequences, got ${list.length}`,
    )
  }
  return Int32Array.from(list, (value) => {
    if ((value | 0) !== value) {
      throw new RangeError(`${caller}: ${name} must be integers, got ${value}`)
    }
    return value
  })
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
