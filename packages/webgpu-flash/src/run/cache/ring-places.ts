// A ring: the first tokens stay, the newest take the rows of the oldest, and memory stays what it is.
import { checkOptions, rangeError, typeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { ringRow } from '../../plan/decode/key-places.ts'
import type { PlacesText } from '../../plan/decode/key-places.ts'
import type { CachePlaces } from './places.ts'

/** What a ring keeps. */
export interface RingOptions {
  /** w: a query sees the keys less than so many positions before it, itself among them. */
  readonly window: number
  /** s: the first tokens, which all queries see (StreamingLLM). Default: 0. */
  readonly sinks?: number | undefined
}

const ringOptions: OptionNames<RingOptions> = { window: true, sinks: true }

/**
 * Checks a ring against the rows there are.
 *
 * @throws RangeError or TypeError where it does not fit.
 */
export function checkRing(ring: RingOptions, capacity: number): void {
  if (typeof ring !== 'object' || ring === null) {
    throw typeError(`flash.cache: ring must be { window, sinks }, got ${String(ring)}`)
  }
  checkOptions('flash.cache: ring', ring, ringOptions)
  const { window, sinks = 0 } = ring
  if (!Number.isInteger(window) || window < 1) {
    throw rangeError(`flash.cache: ring.window must be a positive integer, got ${window}`)
  }
  if (!Number.isInteger(sinks) || sinks < 0) {
    throw rangeError(`flash.cache: ring.sinks must be an integer of at least 0, got ${sinks}`)
  }
  if (capacity < window + sinks) {
    throw rangeError(
      `flash.cache: capacity must hold ring.window + ring.sinks = ${window + sinks} tokens, got ${capacity}`,
    )
  }
}

/** Starts the account of a ring with so many rows in all. */
export function createRingPlaces(
  { window, sinks = 0 }: RingOptions,
  capacity: number,
  batch: number,
): CachePlaces {
  const rows = capacity - sinks
  const text: PlacesText & { readonly kind: 'ring' } = { kind: 'ring', sinks, rows, window }
  /** The longest each sequence was since it began: what lies in its rows. */
  const longest = new Int32Array(batch)
  const oldest = (sequence: number): number => Math.max(sinks, longest[sequence]! - rows)
  return {
    text,
    checkAppend: (caller, lengths, counts) =>
      counts.forEach((count, sequence) => {
        if (lengths[sequence]! + count > 2 ** 31 - 1) {
          throw rangeError(
            `${caller}: positions must be below 2^31, but sequence ${sequence} holds ${lengths[sequence]} tokens, got ${count} more`,
            'ATTN_CACHE_FULL',
          )
        }
      }),
    append: (lengths, counts) => {
      counts.forEach((count, sequence) => {
        longest[sequence] = Math.max(longest[sequence]!, lengths[sequence]! + count)
      })
      return {}
    },
    checkTruncate: (caller, lengths) =>
      lengths.forEach((length, sequence) => {
        const first = oldest(sequence)
        // A sequence as long as its sinks begins anew.
        if (length > sinks && first > sinks && length - window + 1 < first) {
          throw rangeError(
            `${caller}: the ring holds what sequence ${sequence} sees at lengths from ${first + window - 1} on, and at most ${sinks}, got ${length}; a larger capacity keeps more`,
          )
        }
      }),
    truncate: (lengths) =>
      lengths.forEach((length, sequence) => {
        if (length <= sinks) longest[sequence] = length
      }),
    holds: (sequence, position) => position < sinks || position >= oldest(sequence),
    row: (_sequence, position) => ringRow(text, position),
    get longest() {
      return Array.from(longest)
    },
    savedRuns: () => Array.from(longest, (count) => [{ row: 0, count: Math.min(count, capacity) }]),
    checkRestore: () => undefined,
    restore: (_lengths, saved) => longest.set(saved!),
    inputs: () => ({
      ...text,
      oldest: Array.from(longest, (_, sequence) => oldest(sequence)),
      held: Array.from(longest, (length) => Math.min(length, capacity)),
    }),
  }
}
