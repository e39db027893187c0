// A cache of keys and values on a device. Appending is the rotation of new rows into those of the cache,
// or their copy, each sequence from its own length on.
import { rangeError, typeError } from '@attn/core'
import type { RotaryEmbedding } from '@attn/core'
import type { GuardedCall } from '../../device/errors.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { appendWords } from '../../kernels/rotate/appended-row.ts'
import { wordsOfAppend } from './append-words.ts'
import type { AppendedRows } from './append-words.ts'
import { logAppends } from './appended-tokens.ts'
import type { PlanHost } from '../plan-host.ts'
import { createCacheBuffers, sharedRows } from './cache-buffers.ts'
import type { Held } from './cache-buffers.ts'
import { checkShare, checkTokens } from './check-tokens.ts'
import {
  checkCacheOptionNames,
  checkCacheOptions,
  perSequence,
  quantizedParts,
} from './kv-cache-options.ts'
import type { CacheTokens, KeyValueCache, KeyValueCacheOptions } from './kv-cache-options.ts'
import { keptTokens } from './kept-tokens.ts'
import { createPagePlaces } from './page-places.ts'
import { createRowPlaces } from './places.ts'
import type { CachePlaces } from './places.ts'
import { createRingPlaces } from './ring-places.ts'
import { moveRows } from './row-mover.ts'
import { restoreRows, saveRows } from './save-rows.ts'
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
  const { device, errors, buffers } = host
  const { batch = 1, kvHeads, headDim, valueDim = headDim, dtype = 'float32' } = options
  const { rope, ring, pages, model } = options
  const quantized = quantizedParts(options.quantized)
  checkCacheOptions({ ...options, batch, valueDim, dtype })
  const dims = { key: headDim, value: valueDim } as const
  const sizes = { batch, kvHeads, dims, dtype, quantized }

  const stored = createCacheBuffers(
    host,
    pages ? { ...sizes, batch: 1 } : sizes,
    pages ? pages.count * (pages.pageSize ?? 64) : options.capacity,
  )
  const heldNow = (): Held => (pages ? sharedRows(stored.held, batch) : stored.held)
  const paged = pages && createPagePlaces(pages, options.capacity, batch)
  const places: CachePlaces =
    paged ??
    (ring
      ? createRingPlaces(ring, options.capacity, batch)
      : createRowPlaces(() => stored.capacity))
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
  const savedLayout = {
    batch,
    kvHeads,
    headDim,
    valueDim,
    dtype,
    quantized,
    model,
    rope: rope && { ...rope, inverseFrequencies: Array.from(rope.inverseFrequencies) },
    ring: ring && { ...ring, capacity: options.capacity },
  }

  const checkUsable = (caller: string): void => {
    errors.checkAlive(caller)
    if (destroyed) throw typeError(`${caller}: the cache was destroyed`, 'ATTN_DESTROYED')
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
  ): readonly GPUBuffer[] => {
    const { leftPadded, depths, counts } = appended
    const held = heldNow()
    const { moves, tables } = places.append(lengths, Int32Array.from(counts))
    const made = moves ? moveRows(host, call, encoder, [held.key, held.value], moves) : []
    const appends = { places: places.text, leftPadded, depths: depths !== undefined }
    const ofPages = tables && { pageSize: pages?.pageSize ?? 64, tables }
    const own = { words: slots.write(call, wordsOfAppend(appended, ofPages), recorded), appends }
    const pass = encoder.beginComputePass({ label: 'attn append' })
    for (const name of ['key', 'value'] as const) {
      rotations[name].encode(caller, call, pass, tokens[name], held[name], 1, own)
    }
    pass.end()
    return made
  }
  const advance = (appended: AppendedRows): void => {
    const { counts } = appended
    log.append(appended)
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
      return heldNow().key
    },
    get value(): GpuTensor {
      return heldNow().value
    },
    get capacity() {
      return pages ? options.capacity : stored.capacity
    },
    get freePages() {
      return paged?.free
    },
    get lengths() {
      return Array.from(lengths)
    },
    length: (sequence = 0) => {
      if (!(sequence in lengths)) {
        throw rangeError(`cache.length: sequence must lie in 0..${batch - 1}, got ${sequence}`)
      }
      return lengths[sequence]!
    },
    inputs: () => {
      const where = places.inputs()
      return {
        ...heldNow(),
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
        const made = encode('cache.append', call, encoder, tokens, appended, false)
        device.queue.submit([encoder.finish()])
        // What is submitted may still use them.
        for (const buffer of made) buffers.release(buffer)
      })
      advance(appended)
    },
    encodeAppend: (encoder, tokens) => {
      checkUsable('cache.encodeAppend')
      const appended = rowsOf('cache.encodeAppend', tokens)
      errors.guard('cache.encodeAppend', (call) => {
        const made = encode('cache.encodeAppend', call, encoder, tokens, appended, true)
        for (const buffer of made) buffers.forget(buffer)
      })
      advance(appended)
    },
    keep: (indices) => {
      checkUsable('cache.keep')
      const kept = keptTokens('cache.keep', indices, last, batch, places)
      places.checkTruncate('cache.keep', kept.lengths)
      const { key, value } = heldNow()
      errors.guard('cache.keep', (call) => {
        const encoder = device.createCommandEncoder({ label: 'attn moves' })
        const made = moveRows(host, call, encoder, [key, value], kept.moves)
        device.queue.submit([encoder.finish()])
        for (const buffer of made) buffers.release(buffer)
      })
      cutTo(kept.lengths)
    },
    truncate: (left) => {
      checkUsable('cache.truncate')
      const wanted = perSequence('cache.truncate', 'lengths', left, batch)
      wanted.forEach((length, sequence) => {
        if (length < 0 || length > lengths[sequence]!) {
          throw rangeError(
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
      if (ring || pages) {
        throw typeError(
          `cache.grow: ${ring ? 'a ring keeps its size' : 'pages are as many as there were'}; make a cache with a larger capacity`,
        )
      }
      if (!Number.isInteger(wanted) || wanted < capacity) {
        throw rangeError(
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
    share: (from, to, length) => {
      checkUsable('cache.share')
      if (!paged) {
        throw typeError('cache.share: needs pages, got a cache without; flash.cache({ pages })')
      }
      checkShare('cache.share', lengths, from, to, length)
      paged.share(from, to, length ?? lengths[from]!)
      lengths[to] = length ?? lengths[from]!
      log.forget()
      last = undefined
    },
    save: async () => {
      checkUsable('cache.save')
      return saveRows(host, heldNow(), savedLayout, lengths, places)
    },
    restore: (bytes) => {
      checkUsable('cache.restore')
      const capacity = pages ? options.capacity : stored.capacity
      restoreRows(host, heldNow(), savedLayout, bytes, { capacity, lengths, places })
      stored.truncate(new Int32Array(batch))
      log.forget()
      last = undefined
    },
    destroy: () => {
      destroyed = true
      stored.destroy()
      slots.destroy()
      for (const rotation of Object.values(rotations)) rotation.destroy()
    },
  }
}
