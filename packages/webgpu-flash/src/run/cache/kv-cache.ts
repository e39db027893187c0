// A cache of keys and values on a device. Appending is the rotation of new rows into those of the cache,
// or their copy, each sequence from its own length on.
import type { RotaryEmbedding } from '@attn/core'
import type { GuardedCall } from '../../device/errors.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { appendWords } from '../../kernels/rotate/appended-row.ts'
import { wordsOfAppend } from './append-words.ts'
import type { AppendedRows } from './append-words.ts'
import { logAppends } from './appended-tokens.ts'
import type { PlanHost } from '../attention-plan.ts'
import { createCacheBuffers } from './cache-buffers.ts'
import { checkTokens } from './check-tokens.ts'
import {
  checkCacheOptionNames,
  checkCacheOptions,
  perSequence,
  quantizedParts,
} from './kv-cache-options.ts'
import type { CacheTokens, KeyValueCache, KeyValueCacheOptions } from './kv-cache-options.ts'
import { keptTokens } from './kept-tokens.ts'
import { createRowPlaces } from './places.ts'
import { createRingPlaces } from './ring-places.ts'
import { moveRows } from './row-mover.ts'
import { createRotation } from '../rotate/rotation.ts'
import { createSlots } from '../slots.ts'

const copies: RotaryEmbedding = {
  inverseFrequencies: [],
  attentionFactor: 1,
  layout: 'half',
  rotaryDim: 0,
}

/** Makes an empty cache; see `FlashAttention.cache`. */
export function createKeyValueCache(host: PlanHost, options: KeyValueCacheOptions): KeyValueCache {
  checkCacheOptionNames(options)
  const { device, errors } = host
  const { batch = 1, kvHeads, headDim, valueDim = headDim, dtype = 'float32', rope, ring } = options
  const quantized = quantizedParts(options.quantized)
  checkCacheOptions({ ...options, batch, valueDim, dtype })
  const dims = { key: headDim, value: valueDim } as const
  const sizes = { batch, kvHeads, dims, dtype, quantized }

  const stored = createCacheBuffers(host, sizes, options.capacity)
  const places = ring
    ? createRingPlaces(ring, options.capacity, batch)
    : createRowPlaces(() => stored.capacity)
  const lengths = new Int32Array(batch)
  const log = logAppends(batch)
  /** The last append, whose tokens `keep` can choose from. */
  let last: AppendedRows | undefined
  const words = new Uint32Array(appendWords * batch)
  const layout = { words, batchStep: 1, rowStep: 0, growth: 1 } as const
  const rotations = {
    key: createRotation(host, 'flash.cache', rope ?? copies, layout, quantized.key),
    value: createRotation(host, 'flash.cache', copies, layout, quantized.value),
  }
  const slots = createSlots(host, 'places of tokens', words.byteLength)
  let destroyed = false

  const checkUsable = (caller: string): void => {
    errors.checkAlive(caller)
    if (destroyed) throw new TypeError(`${caller}: the cache was destroyed`)
  }
  /** Which rows are to be appended where, once all is found to fit. */
  const rowsOf = (caller: string, tokens: CacheTokens): AppendedRows => {
    const { rows, counts, depths } = checkTokens(caller, tokens, sizes)
    places.checkAppend(caller, lengths, counts)
    const { padding = 'right' } = tokens
    return { starts: lengths.slice(), counts, rows, leftPadded: padding === 'left', depths }
  }
  const encode = (
    caller: string,
    call: GuardedCall,
    encoder: GPUCommandEncoder,
    tokens: CacheTokens,
    appended: AppendedRows,
    recorded: boolean,
  ): void => {
    const { leftPadded, depths } = appended
    const appends = { places: places.text, leftPadded, depths: depths !== undefined }
    const own = { words: slots.write(call, wordsOfAppend(appended), recorded), appends }
    const pass = encoder.beginComputePass({ label: 'attn append' })
    for (const name of ['key', 'value'] as const) {
      rotations[name].encode(caller, call, pass, tokens[name], stored.held[name], 1, own)
    }
    pass.end()
  }
  const advance = (appended: AppendedRows): void => {
    const { counts } = appended
    log.append(appended)
    places.append(lengths, Int32Array.from(counts))
    lengths.forEach((length, sequence) => (lengths[sequence] = length + counts[sequence]!))
    last = appended
  }
  const cutTo = (wanted: Int32Array): void => {
    log.remove(wanted.map((length, sequence) => lengths[sequence]! - length))
    places.truncate(wanted)
    lengths.set(wanted)
    last = undefined
    stored.truncate(wanted)
  }

  return {
    get key(): GpuTensor {
      return stored.held.key
    },
    get value(): GpuTensor {
      return stored.held.value
    },
    get capacity() {
      return stored.capacity
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
    inputs: () => {
      const where = places.inputs()
      return {
        ...stored.held,
        keyLengths: Array.from(lengths),
        appended: log.appended,
        keysTurned: rope !== undefined,
        quantized,
        ...(where ? { places: where } : {}),
      }
    },
    append: (tokens) => {
      checkUsable('cache.append')
      const appended = rowsOf('cache.append', tokens)
      errors.guard('cache.append', (call) => {
        const encoder = device.createCommandEncoder({ label: 'attn append' })
        encode('cache.append', call, encoder, tokens, appended, false)
        device.queue.submit([encoder.finish()])
      })
      advance(appended)
    },
    encodeAppend: (encoder, tokens) => {
      checkUsable('cache.encodeAppend')
      const appended = rowsOf('cache.encodeAppend', tokens)
      errors.guard('cache.encodeAppend', (call) =>
        encode('cache.encodeAppend', call, encoder, tokens, appended, true),
      )
      advance(appended)
    },
    keep: (indices) => {
      checkUsable('cache.keep')
      const kept = keptTokens('cache.keep', indices, last, batch, places)
      places.checkTruncate('cache.keep', kept.lengths)
      errors.guard('cache.keep', (call) =>
        moveRows(host, call, [stored.held.key, stored.held.value], kept.moves),
      )
      cutTo(kept.lengths)
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
      places.checkTruncate('cache.truncate', wanted)
      cutTo(wanted)
    },
    grow: (wanted) => {
      checkUsable('cache.grow')
      const { capacity } = stored
      if (ring) {
        throw new TypeError(
          'cache.grow: a ring keeps its size; make a cache with a larger capacity',
        )
      }
      if (!Number.isInteger(wanted) || wanted < capacity) {
        throw new RangeError(
          `cache.grow: capacity must be an integer of at least ${capacity}, got ${wanted}`,
        )
      }
      errors.guard('cache.grow', (call) =>
        stored.grow('cache.grow', call, wanted, lengths, (before) => {
          log.remove(lengths.map((length, sequence) => length - before[sequence]!))
          lengths.set(before)
          last = undefined
        }),
      )
    },
    destroy: () => {
      destroyed = true
      stored.destroy()
      slots.destroy()
      for (const rotation of Object.values(rotations)) rotation.destroy()
    },
  }
}
