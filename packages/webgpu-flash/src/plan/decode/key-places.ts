// Where a cache's keys lie when not each at the row of its position: in a ring, where the newest take the
// rows of the oldest (StreamingLLM, arXiv 2309.17453, for the first tokens that stay; Mistral, arXiv
// 2310.06825, for the rolling buffer), or in pages (PagedAttention, arXiv 2309.06180).
import type { AttentionShape } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'

/** Fixed memory: the first `sinks` tokens, and behind them the newest, one after another round a ring. */
export interface RingPlaces {
  readonly kind: 'ring'
  readonly sinks: number
  /** Rows of the ring, at least `window`. */
  readonly rows: number
  /** A query sees keys less than so many positions before it, and the sinks. */
  readonly window: number
  /** The first position behind the sinks that is still held, of each sequence. */
  readonly oldest: readonly number[]
  /** Rows that hold anything, of each sequence. */
  readonly held: readonly number[]
}

/** Pages of `pageSize` tokens, a power of two, which may be anywhere in the buffers and be shared. */
export interface PagePlaces {
  readonly kind: 'pages'
  readonly pageSize: number
  /** The pages of each sequence in the order of its tokens. */
  readonly tables: readonly (readonly number[])[]
}

/** Where keys lie. */
export type KeyPlaces = RingPlaces | PagePlaces

/** What of it decides the text of kernels. */
export type PlacesText =
  | {
      readonly kind: 'ring'
      readonly sinks: number
      readonly rows: number
      readonly window: number
    }
  | { readonly kind: 'pages'; readonly pageSize: number }

/** The part that decides texts; undefined where keys lie at the rows of their positions. */
export function placesText(places: KeyPlaces | undefined): PlacesText | undefined {
  if (!places) return undefined
  const { kind } = places
  if (kind === 'pages') return { kind, pageSize: places.pageSize }
  return { kind, sinks: places.sinks, rows: places.rows, window: places.window }
}

const keys = new WeakMap<KeyPlaces, string>()

/** All that calls may differ in, as text. A cache gives the same places until they change. */
export function placesKey(places: KeyPlaces | undefined): string {
  if (!places) return ''
  const known = keys.get(places) ?? textOf(places)
  keys.set(places, known)
  return known
}

function textOf(places: KeyPlaces): string {
  return places.kind === 'ring'
    ? `${JSON.stringify(placesText(places))}${places.oldest.join()}:${places.held.join()}`
    : `${places.pageSize}:${places.tables.map((pages) => pages.join()).join(':')}`
}

/** The row of a token's position in a ring. */
export function ringRow(
  { sinks, rows }: Pick<RingPlaces, 'sinks' | 'rows'>,
  position: number,
): number {
  return position < sinks ? position : sinks + ((position - sinks) % rows)
}

/** What the decode kernel reads of a sequence's ring: rows that hold anything, where it turns, the oldest. */
export function ringWords(
  { sinks, rows, oldest, held }: RingPlaces,
  sequence: number,
  length: number,
): readonly number[] {
  // The newest token's row; the rows behind it are of the lap before.
  const newest = Math.max(length, sinks + 1) - 1
  const lap = Math.floor((newest - sinks) / rows) * rows
  return [held[sequence]!, newest - lap, lap, oldest[sequence]!]
}

/**
 * Rows that the caller's keys have: with lengths per call, no more than the plan is for, but where they
 * are not the keys' positions.
 */
export function heldKeys(
  { keyLength }: AttentionShape,
  { key, places }: { readonly key: GpuTensor; readonly places?: KeyPlaces | undefined },
): number {
  if (places) return key?.shape?.[2] ?? 0
  return Math.min(key?.shape?.[2] ?? keyLength, keyLength)
}
