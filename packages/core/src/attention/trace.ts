// What an algorithm moves between memory and the chip, told event by event by the algorithm itself. Counting them gives the memory traffic that FlashAttention's IO analysis is about
// (arXiv 2205.14135, section 3.2), counted in elements as there.

/** A tensor that tiles are loaded from or stored to. The last four are matrices of standard attention. */
export type TracedTensor =
  | 'query'
  | 'key'
  | 'value'
  | 'output'
  | 'logSumExp'
  | 'rowMaximum'
  | 'rowSum'
  | 'dOutput'
  | 'delta'
  | 'dQuery'
  | 'dKey'
  | 'dValue'
  | 'scores'
  | 'probabilities'
  | 'dProbabilities'
  | 'dScores'

/** One tile moved between memory and the chip. */
export interface TileEvent {
  readonly access: 'load' | 'store'
  readonly tensor: TracedTensor
  readonly batch: number
  /** The query head at work; grouped heads load the same key tile once each. */
  readonly head: number
  /** Which tile along the length axis; 0 in standard attention, whose passes move whole matrices. */
  readonly block: number
  /** Numbers moved; the last tile of an axis may be smaller. */
  readonly elements: number
}

/** Elements moved, in all and by tensor. */
export interface MemoryTraffic {
  readonly loaded: number
  readonly stored: number
  /** `loaded + stored`. */
  readonly total: number
  readonly loads: Readonly<Partial<Record<TracedTensor, number>>>
  readonly stores: Readonly<Partial<Record<TracedTensor, number>>>
}

/**
 * Adds up the events that `trace` was called with.
 *
 * @param events - What `trace` was called with; elements, not bytes.
 *
 * @example
 * ```ts
 * import { countTraffic, flashAttention, zeros } from '@attn/core'
 * import type { TileEvent } from '@attn/core'
 * const events: TileEvent[] = []
 * const x = zeros([1, 1, 128, 32])
 * flashAttention(x, x, x, { queryBlockSize: 64, trace: (event) => events.push(event) })
 * countTraffic(events).loads // => { query: 4096, key: 8192, value: 8192 }
 * ```
 */
export function countTraffic(events: Iterable<TileEvent>): MemoryTraffic {
  const loads: Partial<Record<TracedTensor, number>> = {}
  const stores: Partial<Record<TracedTensor, number>> = {}
  let loaded = 0
  let stored = 0
  for (const { access, tensor, elements } of events) {
    const side = access === 'load' ? loads : stores
    side[tensor] = (side[tensor] ?? 0) + elements
    if (access === 'load') loaded += elements
    else stored += elements
  }
  return { loaded, stored, total: loaded + stored, loads, stores }
}
