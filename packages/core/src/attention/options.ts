// The one set of options every attention function takes, and the shapes and defaults they resolve
// to. All checks of the public boundary are here, so that every backend refuses the same things
// with the same words.
import { rangeError, shapeError, typeError } from '../errors.ts'
import type { IntegerList } from '../integer-list.ts'
import type { Environment } from '../expression/evaluate.ts'
import type { Mask, ScoreModifier } from '../expression/mask.ts'
import type { TensorLike } from '../tensor/tensor.ts'
import { resolveDropout } from './dropout.ts'
import type { DropoutOptions, ResolvedDropout } from './dropout.ts'
import { packExpressions } from './pack-expressions.ts'
import { cumulativeLengths, locateTokens } from './packed-sequences.ts'
import type { PackedSequences, ResolvedSequences } from './packed-sequences.ts'
import { perSequence } from './per-sequence.ts'
import { callExtent, checkTables } from './table-fit.ts'
import { resolveSinks } from './sinks.ts'
import type { Sinks } from './sinks.ts'

/** What decides the result besides query, key and value. */
export interface AttentionOptions extends Environment {
  /** Factor on every product of query and key. Default: 1 / sqrt(headDim). */
  readonly scale?: number | undefined
  /** Which keys each query sees. Default: all. */
  readonly mask?: Mask | undefined
  /** Changes to the scaled scores, applied in order before the mask. Default: none. */
  readonly scoreModifiers?: readonly ScoreModifier[] | undefined
  /**
   * Sequences of different lengths end to end in one batch entry (FlashAttention's `cu_seqlens`),
   * each a call of its own: masks, score modifiers and dropout see positions and lengths within the
   * sequence, and `batch` is its number. `queryOffset` and `keyLengths` are then by sequence.
   * Default: each batch entry is one sequence.
   */
  readonly sequences?: PackedSequences | undefined
  /**
   * Absolute position of the first query, one number or one for each sequence of the batch.
   * Default: key length (or `keyLengths[b]`) - query length, so that the queries are the last rows
   * (bottom-right alignment, as in FlashAttention 2.1 and later).
   */
  readonly queryOffset?: number | IntegerList | undefined
  /** Keys that count in each sequence of the batch; later ones are padding. Default: all. */
  readonly keyLengths?: IntegerList | undefined
  /**
   * Drops probabilities at random after the softmax; logSumExp does not see it. The same seed drops
   * the same pairs, forward and backward, on every backend. Default: none.
   */
  readonly dropout?: DropoutOptions | undefined
  /**
   * One logit for each query head that joins the softmax's sum, and so logSumExp, without a value.
   * Default: none.
   */
  readonly sinks?: Sinks | undefined
}

/** The sizes of one attention call. */
export interface AttentionShape {
  /** B: sequences. */
  readonly batch: number
  /** H: query heads. */
  readonly heads: number
  /** Hkv: key and value heads; query head h reads key head floor(h / (H / Hkv)). */
  readonly kvHeads: number
  /** L: queries in each sequence. */
  readonly queryLength: number
  /** S: keys in each sequence. */
  readonly keyLength: number
  /** D: width of queries and keys. */
  readonly headDim: number
  /** Dv: width of values and outputs. */
  readonly valueDim: number
}

/** Options with every default filled in. */
export interface ResolvedAttention {
  readonly scale: number
  readonly mask: Mask | undefined
  readonly scoreModifiers: readonly ScoreModifier[]
  /** Position of the first query, for each batch entry. */
  readonly queryOffsets: Int32Array
  /** Keys that count, for each batch entry. */
  readonly keyLengths: Int32Array
  readonly parameters: Readonly<Record<string, number>>
  /** undefined where nothing is dropped. */
  readonly dropout: ResolvedDropout | undefined
  /** One for each query head. */
  readonly sinks: Float64Array | undefined
  /**
   * Set where sequences are packed: `mask`, `scoreModifiers` and `dropout` are then written for
   * packed tokens already.
   */
  readonly sequences?:
    | (ResolvedSequences & {
        /** The mask as it was given. */
        readonly mask: Mask | undefined
      })
    | undefined
}

/**
 * The sizes of query `[B, H, L, D]`, key `[B, Hkv, S, D]` and value `[B, Hkv, S, Dv]`.
 *
 * @throws RangeError when the three do not fit one another.
 *
 * @example
 * ```ts
 * import { attentionShape, zeros } from '@attn/core'
 * const key = zeros([1, 2, 9, 4])
 * attentionShape('attention', zeros([1, 6, 3, 4]), key, key).kvHeads // => 2
 * ```
 */
export function attentionShape(
  caller: string,
  query: TensorLike<unknown, string>,
  key: TensorLike<unknown, string>,
  value: TensorLike<unknown, string>,
): AttentionShape {
  const tensors = { query, key, value }
  for (const [name, { shape }] of Object.entries(tensors)) {
    if (shape?.length !== 4) {
      throw shapeError(
        `${caller}: ${name} must have shape [batch, heads, length, dim], got [${shape?.join(', ')}]`,
      )
    }
  }
  const [batch, heads, queryLength, headDim] = query.shape as [number, number, number, number]
  const [, kvHeads, keyLength, valueDim] = value.shape as [number, number, number, number]
  const equal = (what: string, expected: number, got: number): void => {
    if (expected !== got)
      throw shapeError(`${caller}: ${what} must match, got ${expected} and ${got}`)
  }
  equal('query and key batch', batch, key.shape[0]!)
  equal('query and value batch', batch, value.shape[0]!)
  equal('key and value heads', key.shape[1]!, kvHeads)
  equal('key and value lengths', key.shape[2]!, keyLength)
  equal('query and key dims', headDim, key.shape[3]!)
  const shape = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
  checkAttentionShape(caller, shape)
  return shape
}

/**
 * Checks a tensor that comes with query, key and value, such as the gradient of the output.
 *
 * @throws RangeError when it has another shape.
 */
export function checkTensorShape(
  caller: string,
  name: string,
  expected: readonly number[],
  view: TensorLike<unknown, string>,
): void {
  if (view.shape.join() !== expected.join()) {
    throw shapeError(
      `${caller}: ${name} must have shape [${expected.join(', ')}], got [${view.shape.join(', ')}]`,
    )
  }
}

/**
 * Checks sizes given as numbers.
 *
 * @throws RangeError when a size is not a positive integer or kvHeads does not divide heads.
 *
 * @example
 * ```ts
 * import { checkAttentionShape } from '@attn/core'
 * const lengths = { batch: 1, queryLength: 3, keyLength: 3, headDim: 4, valueDim: 4 }
 * checkAttentionShape('attention', { ...lengths, heads: 6, kvHeads: 4 }) // => throws RangeError: attention: kvHeads must divide heads, got heads=6 kvHeads=4
 * ```
 */
export function checkAttentionShape(caller: string, shape: AttentionShape): void {
  for (const [name, size] of Object.entries(shape)) {
    if (!Number.isInteger(size) || size < 1) {
      throw rangeError(`${caller}: ${name} must be a positive integer, got ${size}`)
    }
  }
  if (shape.heads % shape.kvHeads !== 0) {
    throw shapeError(
      `${caller}: kvHeads must divide heads, got heads=${shape.heads} kvHeads=${shape.kvHeads}`,
    )
  }
}

/**
 * Fills in the defaults of the options and checks them against the sizes.
 *
 * @throws RangeError for values out of range and tables that do not fit the sizes, TypeError for things
 *   of the wrong kind.
 *
 * @example
 * ```ts
 * import { resolveOptions } from '@attn/core'
 * const lengths = { batch: 1, queryLength: 3, keyLength: 9, headDim: 4, valueDim: 4 }
 * const { scale, queryOffsets } = resolveOptions('attention', { ...lengths, heads: 1, kvHeads: 1 })
 * scale // => 0.5
 * queryOffsets[0] // => 6
 * ```
 */
export function resolveOptions(
  caller: string,
  shape: AttentionShape,
  options: AttentionOptions = {},
): ResolvedAttention {
  const resolved = resolveForAnyTables(caller, shape, options)
  const { mask, scoreModifiers = [] } = options
  checkTables(caller, [mask, ...scoreModifiers], callExtent(shape, resolved))
  return resolved
}

/** The same without a look at tables: a block map may be one of some sequences and heads of a call. */
export function resolveForAnyTables(
  caller: string,
  shape: AttentionShape,
  options: AttentionOptions = {},
): ResolvedAttention {
  const {
    scale = 1 / Math.sqrt(shape.headDim),
    mask,
    scoreModifiers = [],
    parameters = {},
  } = options
  if (!Number.isFinite(scale))
    throw rangeError(`${caller}: scale must be a finite number, got ${scale}`)
  if (mask !== undefined && mask?.kind !== 'mask') {
    throw typeError(
      `${caller}: mask must be made by mask() or a pattern, got ${mask === null ? 'null' : typeof mask}`,
    )
  }
  if (!Array.isArray(scoreModifiers)) {
    throw typeError(`${caller}: scoreModifiers must be an array, got ${typeof scoreModifiers}`)
  }
  for (const modifier of scoreModifiers as readonly ScoreModifier[]) {
    if (modifier?.kind !== 'scoreModifier') {
      throw typeError(
        `${caller}: scoreModifiers must be made by scoreModifier(), got ${typeof modifier}`,
      )
    }
  }
  const packed =
    options.sequences === undefined
      ? undefined
      : cumulativeLengths(caller, shape, options.sequences)
  const count = packed ? packed.queries.length - 1 : shape.batch
  const lengthOf = (of: Int32Array | undefined, sequence: number, whole: number): number =>
    of ? of[sequence + 1]! - of[sequence]! : whole
  const keysOf = (sequence: number): number => lengthOf(packed?.keys, sequence, shape.keyLength)
  const keyLengths = perSequence(caller, 'keyLengths', count, options.keyLengths, keysOf)
  keyLengths.forEach((length, sequence) => {
    const most = keysOf(sequence)
    if (length < 0 || length > most) {
      throw rangeError(`${caller}: keyLengths must lie in 0..${most}, got ${length}`)
    }
  })
  const queryOffsets = perSequence(
    caller,
    'queryOffset',
    count,
    options.queryOffset,
    (sequence) => keyLengths[sequence]! - lengthOf(packed?.queries, sequence, shape.queryLength),
  )
  queryOffsets.forEach((offset, sequence) => {
    const queries = lengthOf(packed?.queries, sequence, shape.queryLength)
    if (offset + queries > 2 ** 31) {
      throw rangeError(
        `${caller}: queries must stand at positions below 2^31, got queryOffset=${offset} with ${queries} queries`,
      )
    }
  })
  const dropout = resolveDropout(caller, options.dropout)
  const sinks = resolveSinks(caller, shape.heads, options.sinks)
  const resolved = { scale, mask, scoreModifiers, parameters, dropout, sinks }
  if (!packed) return { ...resolved, queryOffsets, keyLengths }
  const sequences = locateTokens(packed, queryOffsets, keyLengths)
  const expressions = packExpressions(sequences, mask, scoreModifiers)
  return {
    ...resolved,
    mask: expressions.mask,
    scoreModifiers: expressions.scoreModifiers,
    dropout: dropout && { ...dropout, within: expressions.within },
    queryOffsets: Int32Array.of(expressions.queryOffset),
    keyLengths: Int32Array.of(shape.keyLength),
    sequences: { ...sequences, mask },
  }
}
