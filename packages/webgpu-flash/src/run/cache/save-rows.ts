// Saving and restoring on the device: the rows that hold anything, copied together.
import { rangeError, shapeError, typeError } from '@attn/core'
import { elementBytes } from '../../gpu-tensor.ts'
import type { PlanHost } from '../plan-host.ts'
import type { Held } from './cache-buffers.ts'
import type { CachePlaces } from './places.ts'
import { readSaved, savedHeader, savedRuns } from './saved-cache.ts'
import type { SavedLayout } from './saved-cache.ts'

const mapRead = 0x01
const copyDestination = 0x08

/** The bytes of what a cache holds. */
export async function saveRows(
  { device, buffers, errors }: PlanHost,
  held: Held,
  layout: SavedLayout,
  lengths: Int32Array,
  places: CachePlaces,
): Promise<Uint8Array<ArrayBuffer>> {
  const caller = 'cache.save'
  const runs = places.savedRuns(lengths)
  const header = savedHeader(layout, {
    lengths: Array.from(lengths),
    held: runs.map((own) => own.reduce((sum, { count }) => sum + count, 0)),
    longest: places.longest,
  })
  const copies = [held.key, held.value].flatMap((view) =>
    Array.from(savedRuns(view, runs), (run) => ({ ...run, storage: view.storage })),
  )
  const size = copies.reduce((sum, run) => sum + run.size, 0)
  const bytes = new Uint8Array(header.length + size)
  bytes.set(header)
  if (size === 0) return bytes
  const { staging, mapped } = errors.guard(caller, (call) => {
    const buffer = buffers.allocate('save', size, mapRead | copyDestination)
    call.reads(held.key.storage, held.value.storage)
    call.writes(buffer)
    const encoder = device.createCommandEncoder({ label: 'attn save' })
    let next = 0
    for (const { storage, place, size: own } of copies) {
      encoder.copyBufferToBuffer(storage, place, buffer, next, own)
      next += own
    }
    device.queue.submit([encoder.finish()])
    return { staging: buffer, mapped: buffer.mapAsync(mapRead, 0, size) }
  })
  try {
    const mapping = mapped.then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    // The report names the cause, so it goes before what the mapping says.
    await errors.filled(staging)
    const failure = await mapping
    if (failure) await errors.outcome(caller, Promise.reject(failure.error as Error))
    bytes.set(new Uint8Array(staging.getMappedRange(0, size)), header.length)
    return bytes
  } finally {
    buffers.release(staging)
  }
}

/** What restoring changes. */
export interface RestoredCache {
  readonly capacity: number
  readonly lengths: Int32Array
  readonly places: CachePlaces
}

/** Takes over saved bytes; see `KeyValueCache.restore`. */
export function restoreRows(
  { device, errors }: PlanHost,
  held: Held,
  layout: SavedLayout,
  bytes: Uint8Array,
  { capacity, lengths, places }: RestoredCache,
): void {
  const caller = 'cache.restore'
  if (!(bytes instanceof Uint8Array)) {
    throw typeError(`${caller}: needs a Uint8Array, got ${typeof bytes}`)
  }
  const { tokens, data } = readSaved(caller, bytes, layout)
  const rows = tokens.held.reduce((most, count) => Math.max(most, count), 0)
  if (rows > capacity) {
    throw rangeError(
      `${caller}: a sequence of ${rows} tokens was saved, this cache has room for ${capacity}`,
      'ATTN_CACHE_FULL',
    )
  }
  const rowBytes = ({ shape, strides, dtype }: Held['key']): number =>
    shape[1]! * strides[2]! * elementBytes(dtype)
  const expected =
    tokens.held.reduce((sum, count) => sum + count, 0) * (rowBytes(held.key) + rowBytes(held.value))
  if (data.length !== expected) {
    throw shapeError(`${caller}: needs ${expected} bytes of rows, got ${data.length}`)
  }
  const saved = Int32Array.from(tokens.lengths)
  places.checkRestore(caller, saved)
  places.restore(saved, tokens.longest)
  lengths.set(saved)
  errors.guard(caller, (call) => {
    let next = 0
    for (const view of [held.key, held.value]) {
      call.writes(view.storage)
      for (const { place, size } of savedRuns(view, places.savedRuns(saved))) {
        const part = data.subarray(next, next + size) as Uint8Array<ArrayBuffer>
        device.queue.writeBuffer(view.storage, place, part)
        next += size
      }
    }
  })
}
