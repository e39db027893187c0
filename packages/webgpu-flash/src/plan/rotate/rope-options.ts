// `plan({ rope })`: which of queries and keys a plan turns before it attends, and where their rows
// stand.
import { checkOptions, rangeError, typeError } from '@attn/core'
import type {
  AttentionOptions,
  AttentionShape,
  OptionNames,
  ResolvedAttention,
  ResultRequest,
  RotaryEmbedding,
} from '@attn/core'
import { checkRotary, offsetWords, positionWords } from './rotary-words.ts'
import type { PositionWords, RotaryPositions } from './rotary-words.ts'

/**
 * Rotation of queries and keys, each by itself. Positions that are given are by row of the tensor, also
 * where sequences are packed.
 *
 * @example
 * ```ts
 * import { createFlashAttention } from '@attn/webgpu-flash'
 *
 * const flash = await createFlashAttention()
 * const rotary = {
 *   inverseFrequencies: [1, 0.1, 0.01, 0.001], attentionFactor: 1, layout: 'half' as const, rotaryDim: 8,
 * }
 * // Keys are turned once, when they are appended: here to a cache [1, 2, 16, 8] that holds 5.
 * const cache = flash.empty([1, 2, 16, 8])
 * const place = { ...cache, shape: [1, 2, 1, 8], offset: 5 * 8 }
 * flash.rotate(flash.empty([1, 2, 1, 8]), rotary, { positions: 5, output: place })
 * const sizes = { heads: 2, queryLength: 1, keyLength: 6, headDim: 8 }
 * const plan = flash.plan({ ...sizes, rope: { query: rotary } })
 * plan.explain().rope?.turned // => ['query']
 * flash.destroy()
 * ```
 */
export interface RopeSides {
  /** Turns the queries. Left out, they are taken as they come. */
  readonly query?: RotaryEmbedding | undefined
  /** Turns the keys. Left out, they are taken as they come: from a cache that was turned on append. */
  readonly key?: RotaryEmbedding | undefined
  /**
   * Default: the query offset of each sequence, so that row i stands at `queryOffset + i`; where
   * sequences are packed, i is the row within the sequence.
   */
  readonly queryPositions?: RotaryPositions | undefined
  /** Default: 0, so that a key stands at its row; the row within its sequence where these are packed. */
  readonly keyPositions?: RotaryPositions | undefined
  /**
   * Over a ring with sinks whose keys are turned when they are read: `kept` leaves the positions that tokens
   * had, `closed` lets the sinks stand right before the tokens that are held, so that positions stay below
   * the capacity however long the text is (StreamingLLM, arXiv 2309.17453, section 3.2). Default: kept.
   */
  readonly gap?: 'kept' | 'closed' | undefined
}

const ropeSides: OptionNames<RopeSides> = {
  query: true,
  key: true,
  queryPositions: true,
  keyPositions: true,
  gap: true,
}

/** One embedding for queries and keys, or what differs. */
export type RopeOption = RotaryEmbedding | RopeSides

/** Options of a call with CPU tensors. */
export interface CallOptions extends AttentionOptions, ResultRequest {
  /** Turns queries and keys by their positions before attention. */
  readonly rope?: RopeOption | undefined
}

/** The names of options that calls on a GPU take besides those of every attention function. */
export const callOptions: OptionNames<Omit<CallOptions, keyof AttentionOptions>> = {
  rope: true,
  rowMaximum: true,
}

/** One tensor's rotation. */
export interface RopeSide {
  readonly rotary: RotaryEmbedding
  readonly positions: PositionWords
}

/** What a plan turns. */
export interface ResolvedRope {
  readonly query?: RopeSide
  readonly key?: RopeSide
  readonly gap: 'kept' | 'closed'
}

/**
 * Resolves the option; undefined where nothing is turned.
 *
 * @throws RangeError or TypeError when an embedding or positions do not fit.
 */
export function resolveRope(
  caller: string,
  rope: RopeOption | undefined,
  { batch, queryLength, keyLength, headDim }: AttentionShape,
  { queryOffsets, sequences }: Pick<ResolvedAttention, 'queryOffsets' | 'sequences'>,
  lengthsPerCall = false,
): ResolvedRope | undefined {
  if (rope === undefined) return undefined
  if (typeof rope !== 'object' || rope === null) {
    throw typeError(`${caller}: rope must be a rotary embedding, got ${typeof rope}`)
  }
  const sides: RopeSides = 'inverseFrequencies' in rope ? { query: rope, key: rope } : rope
  checkOptions(`${caller}: rope`, sides, ropeSides)
  const { gap = 'kept' } = sides
  if (gap !== 'kept' && gap !== 'closed') {
    throw typeError(`${caller}: rope.gap must be kept or closed, got ${String(gap)}`)
  }
  if (gap === 'closed' && !(lengthsPerCall && sides.query && sides.key)) {
    throw rangeError(
      `${caller}: rope.gap closed needs lengths 'call', and both query and key turned by the plan`,
    )
  }
  const given = (['queryPositions', 'keyPositions'] as const).find(
    (name) => sides[name] !== undefined,
  )
  if (lengthsPerCall && given) {
    throw rangeError(
      `${caller}: with lengths 'call' rope turns by the positions of each call, got ${given}`,
    )
  }
  const { query, key, queryPositions, keyPositions = sequences?.keyPositions ?? 0 } = sides
  if (!query && !key) {
    throw rangeError(`${caller}: rope needs an embedding for query, key or both, got neither`)
  }
  const side = (
    name: 'query' | 'key',
    rotary: RotaryEmbedding,
    positions: () => PositionWords,
  ): RopeSide => {
    checkRotary(`${caller}: rope.${name}`, rotary, headDim)
    return { rotary, positions: positions() }
  }
  const ofQueries = (): PositionWords =>
    queryPositions === undefined && !sequences
      ? offsetWords(`${caller}: rope.query`, queryOffsets, queryLength)
      : positionWords(
          `${caller}: rope.query`,
          queryPositions ?? sequences!.queryPositions,
          batch,
          queryLength,
        )
  const ofKeys = (): PositionWords =>
    positionWords(`${caller}: rope.key`, keyPositions, batch, keyLength)
  return {
    ...(query ? { query: side('query', query, ofQueries) } : {}),
    ...(key ? { key: side('key', key, ofKeys) } : {}),
    gap,
  }
}
