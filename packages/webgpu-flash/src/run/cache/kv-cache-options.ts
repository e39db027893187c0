// What a cache of keys and values is to its callers: appended in place, each sequence at its own length,
// turned by positions on the way in. A plan with `lengths: 'call'` serves while it grows.
import { isDType } from '../../gpu-tensor.ts'
import { checkOptions, numbersOf, rangeError, shapeError, typeError } from '@attn/core'
import type { DType, IntegerList, OptionNames, QuantizedType, RotaryEmbedding } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { QuantizedParts } from '../../quantized-tensor.ts'
import type { KeyPlaces } from '../../plan/decode/key-places.ts'
import type { AppendedTokens } from './appended-tokens.ts'
import type { KeptIndices } from './kept-tokens.ts'
import { checkPages } from './page-places.ts'
import type { PageOptions } from './page-places.ts'
import { checkRing } from './ring-places.ts'
import type { RingOptions } from './ring-places.ts'
import { checkRotary } from '../../plan/rotate/rotary-words.ts'

/** What a cache is made for. */
export interface KeyValueCacheOptions {
  /** B: sequences. Default: 1. */
  readonly batch?: number | undefined
  /** Hkv: key and value heads. */
  readonly kvHeads: number
  /** D, 1 to 576. */
  readonly headDim: number
  /** Dv, 1 to 512. Default: `headDim`. */
  readonly valueDim?: number | undefined
  /** Tokens of a sequence there is room for. */
  readonly capacity: number
  /** Default: float32. */
  readonly dtype?: DType | undefined
  /** Turns keys by their positions as they are appended. Default: they are kept as they come. */
  readonly rope?: RotaryEmbedding | undefined
  /**
   * Keeps a window of the newest tokens, and the first ones as sinks, in fixed memory: the newest take the
   * rows of those that left the window, and sequences go on for ever. Queries see no more than window and
   * sinks. `capacity` is at least window + sinks; so many rows more are so many tokens more that an append
   * may have whose queries all see their window. Default: none, the cache keeps all.
   */
  readonly ring?: RingOptions | undefined
  /**
   * Keeps tokens in pages that sequences take from one supply as they grow, and can share. `capacity` is then
   * the most tokens of one sequence. Default: none, each sequence has room for `capacity` tokens.
   */
  readonly pages?: PageOptions | undefined
  /** Whatever names the model, for `save` and `restore`: what another one saved is refused. Default: none. */
  readonly model?: string | undefined
  /**
   * Keeps keys, values or both in blocks of 32 along dim (ggml's q8_0 and q4_0): 8.5 and 4.5 bits an element.
   * `append` quantises, plans dequantise what they load, and nothing is expanded in memory. Dims are
   * multiples of 32. One word is for both. Default: kept in `dtype`.
   */
  readonly quantized?: QuantizedType | QuantizedParts | undefined
}

/** Names of the options; see above. */
const cacheOptions: OptionNames<KeyValueCacheOptions> = {
  batch: true,
  kvHeads: true,
  headDim: true,
  valueDim: true,
  capacity: true,
  dtype: true,
  rope: true,
  ring: true,
  pages: true,
  model: true,
  quantized: true,
}
/** What other libraries call things. */
const elsewhere = { heads: 'kvHeads', maxlength: 'capacity', maxseqlen: 'capacity' }

/** Tokens to append, of the cache's dtype. */
export interface CacheTokens {
  /** `[B, Hkv, L, D]`, any strides. */
  readonly key: GpuTensor
  /** `[B, Hkv, L, Dv]`, any strides. */
  readonly value: GpuTensor
  /** How many of the L each sequence appends; the others are padding. Default: all. */
  readonly counts?: IntegerList | undefined
  /** Where the padding is: behind a sequence's tokens, or before them. Default: right. */
  readonly padding?: 'right' | 'left' | undefined
  /**
   * For drafts in a tree: how far from the first each row stands, its depth in the tree, for `rope`. Where
   * the cache's inputs go to a plan with `rope`, its queries are turned by the same. Masks see rows one
   * after another in any case, which `tree` of `@attn/masks` is made for. Default: 0, 1, 2 and so on.
   */
  readonly depths?: IntegerList | undefined
}

/** What a plan with `lengths: 'call'` takes of a cache. */
export interface CacheInputs {
  readonly key: GpuTensor
  readonly value: GpuTensor
  /** Keys of each sequence. */
  readonly keyLengths: readonly number[]
  /** Where the queries of the tokens appended last stand. */
  readonly appended: AppendedTokens
  /** Where keys lie, if not each at the row of its position. */
  readonly places?: KeyPlaces | undefined
  /** Whether keys were turned by the cache's `rope`. */
  readonly keysTurned: boolean
  /** How keys and values are quantised, those that are. */
  readonly quantized: QuantizedParts
}

/**
 * Keys and values on the GPU. It grows when it is told to: an append beyond the capacity throws, and
 * leaves the cache as it was. Methods throw `TypeError` after `destroy`.
 */
export interface KeyValueCache {
  /**
   * `[B, Hkv, capacity, D]`; rows from a sequence's length on hold nothing of meaning. In a ring, the sinks
   * come first and position p is at row `sinks + (p - sinks) mod (capacity - sinks)`. Pages lie one after another,
   * for all sequences the same.
   */
  readonly key: GpuTensor
  /** `[B, Hkv, capacity, Dv]` */
  readonly value: GpuTensor
  readonly capacity: number
  /** Tokens of each sequence. */
  readonly lengths: readonly number[]
  /** Tokens of a sequence. Default: the first. */
  length(sequence?: number): number
  /**
   * For `plan.forward({ query, ...cache.inputs() })`: what it holds now. Queries stand where the tokens of
   * the last append do, row by row, also where `counts` left out padding; as many queries as were
   * appended without padding are the last tokens of their sequences. Any other number of queries after
   * an append with padding needs `queryOffset`.
   */
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
   * Keeps some of the tokens appended last, which close up behind those before, and forgets the others: the
   * accepted path of a draft tree.
   *
   * @param indices - Which of them, ascending: of all sequences, or a list for each. The first is 0;
   *   padding does not count.
   * @throws RangeError for other tokens.
   */
  keep(indices: KeptIndices): void
  /**
   * Forgets the last tokens of each sequence, or all: rejected drafts, a conversation that begins anew.
   *
   * @param lengths - What is left, of each sequence or of all.
   * @throws RangeError when a sequence holds less, or a ring no longer has what it would see.
   */
  truncate(lengths: number | IntegerList): void
  /**
   * Makes room: copies what there is into larger buffers, and frees the old ones once the device is known
   * to have had the memory. Where it had not, the cache goes back to what it held and is as it was, without
   * tokens appended since, and `flash.finished` and downloads of what came of them reject with
   * GpuOutOfMemoryError. Submit what was recorded with the old buffers before. Plans stay good up to
   * the `keyLength` they were made for.
   *
   * @throws RangeError for less than the capacity, TypeError for a ring or pages, UnsupportedError for more than the device allows.
   */
  grow(capacity: number): void
  /**
   * Of a cache with pages: lets a sequence that holds nothing begin with the first tokens of another one, whose
   * pages both then have. Who appends to a page that is shared gets a copy of it first.
   *
   * @param length - How many tokens. Default: all that `from` holds.
   * @throws RangeError for sequences that there are not, or that hold something or too little; TypeError
   *   without pages.
   */
  share(from: number, to: number, length?: number): void
  /** Pages that no sequence has; undefined without pages. */
  readonly freePages: number | undefined
  /**
   * What it holds as bytes, for a file: a header with a version, sizes, rope and `model`, and the rows of its
   * tokens. Rejects as `flash.download` does.
   */
  save(): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Takes over what a cache with the same options has saved, in place of what it holds. Where keys lie may
   * differ, but for rings.
   *
   * @throws TypeError for bytes that are not a saved cache, RangeError for other options, another version
   *   or more tokens than there is room for.
   */
  restore(bytes: Uint8Array): void
  /** Frees its buffers at once. */
  destroy(): void
}

/**
 * Checks the options of a cache.
 *
 * @throws RangeError or TypeError for those that do not fit.
 */
export function checkCacheOptions(
  options: KeyValueCacheOptions & Readonly<{ batch: number; valueDim: number; dtype: DType }>,
): void {
  const { dtype, rope, headDim, ring, capacity } = options
  for (const name of ['batch', 'kvHeads', 'headDim', 'valueDim', 'capacity'] as const) {
    if (!Number.isInteger(options[name]) || options[name] < 1) {
      throw rangeError(`flash.cache: ${name} must be a positive integer, got ${options[name]}`)
    }
  }
  if (!isDType(dtype)) {
    throw typeError(
      `flash.cache: dtype must be float32, float16 or bfloat16, got ${String(dtype)}`,
      'ATTN_DTYPE',
    )
  }
  if (rope !== undefined) checkRotary('flash.cache: rope', rope, headDim)
  if (ring !== undefined) checkRing(ring, capacity)
  if (options.pages !== undefined) {
    checkPages(options.pages)
    if (ring !== undefined) {
      throw rangeError('flash.cache: a ring has rows of its own; give ring or pages')
    }
  }
  if (options.model !== undefined && typeof options.model !== 'string') {
    throw typeError(`flash.cache: model must be a text, got ${typeof options.model}`)
  }
  const { key, value } = quantizedParts(options.quantized)
  for (const [name, type] of [
    ['headDim', key],
    ['valueDim', value],
  ] as const) {
    if (type !== undefined && options[name] % 32 !== 0) {
      throw shapeError(
        `flash.cache: ${name} must be a multiple of 32 to be quantized, got ${options[name]}`,
      )
    }
  }
}

/**
 * What is quantised, and how.
 *
 * @throws TypeError for other types.
 */
export function quantizedParts(given: KeyValueCacheOptions['quantized']): QuantizedParts {
  if (given === undefined) return {}
  const parts = typeof given === 'string' ? { key: given, value: given } : given
  checkOptions('flash.cache: quantized', parts, { key: true, value: true })
  for (const [name, type] of Object.entries(parts)) {
    if (type !== 'q8_0' && type !== 'q4_0') {
      throw typeError(`flash.cache: quantized.${name} must be q8_0 or q4_0, got ${String(type)}`)
    }
  }
  return parts
}

/** Checks the names of a cache's options. */
export function checkCacheOptionNames(options: unknown): void {
  checkOptions('flash.cache', options, cacheOptions, elsewhere)
}

/** One integer for each sequence, of one for all or of a list. */
export function perSequence(
  caller: string,
  name: string,
  given: number | IntegerList,
  batch: number,
): Int32Array {
  const list =
    typeof given === 'number' ? Array.from({ length: batch }, () => given) : numbersOf(given)
  if (list.length !== batch) {
    throw shapeError(
      `${caller}: ${name} needs one number for each of ${batch} sequences, got ${list.length}`,
    )
  }
  return Int32Array.from(list, (value) => {
    if ((value | 0) !== value) {
      throw rangeError(`${caller}: ${name} must be integers, got ${value}`)
    }
    return value
  })
}
