// Masks and score modifiers: the two things attention takes expressions for. The vocabulary is
// FlexAttention's mask_mod and score_mod (PyTorch), here with a tree instead of traced code.
import { rangeError, shapeError, typeError } from '../errors.ts'
import { coordinate, floatExpression } from './expression.ts'
import type { BooleanExpression, FloatExpression, IntegerExpression } from './expression.ts'
import type { ExpressionNode, Table } from './node.ts'
import { booleanTable, checkName, floatTable } from './table.ts'
import type { OrderProposal } from '../sparsity/order-proposal.ts'

/** What a mask or score modifier can be written in terms of; see {@link Coordinate}. */
export interface Coordinates {
  /** Sequence in the batch, 0 .. B - 1. */
  readonly batch: IntegerExpression
  /** Query head, 0 .. H - 1. */
  readonly head: IntegerExpression
  /** Absolute position of the query: `queryOffset` + its row. */
  readonly query: IntegerExpression
  /** Row of the query in its tensor, 0 .. L - 1. */
  readonly queryIndex: IntegerExpression
  /** Absolute position of the key, which is its row, 0 .. S - 1. */
  readonly key: IntegerExpression
  /** L. */
  readonly queryLength: IntegerExpression
  /** S. */
  readonly keyLength: IntegerExpression
  /** H. */
  readonly heads: IntegerExpression
}

/** Says which keys each query may attend to. */
export interface Mask {
  readonly kind: 'mask'
  /** For messages, `explain()` and pictures. */
  readonly name: string
  /** A boolean expression: true where the query sees the key. */
  readonly expression: BooleanExpression
  /**
   * Orders of the tokens under which the mask, or a part of it, may be made of whole tiles. A planner
   * counts, so a proposal that does not fit costs time and changes no result. Default: none.
   */
  readonly orders?: readonly OrderProposal[] | undefined
}

/** Changes each score before the softmax. */
export interface ScoreModifier {
  readonly kind: 'scoreModifier'
  /** For messages and `explain()`. */
  readonly name: string
  /** A float expression of the score so far and the coordinates. */
  readonly expression: FloatExpression
}

const coordinates: Coordinates = {
  batch: coordinate('batch'),
  head: coordinate('head'),
  query: coordinate('query'),
  queryIndex: coordinate('queryIndex'),
  key: coordinate('key'),
  queryLength: coordinate('queryLength'),
  keyLength: coordinate('keyLength'),
  heads: coordinate('heads'),
}

const scoreNode: ExpressionNode = Object.freeze({
  kind: 'coordinate',
  type: 'float',
  name: 'score',
})

/**
 * A mask from an expression over the coordinates.
 *
 * @param name - Letters and digits; shown in messages, plans and pictures.
 * @param build - Receives the coordinates, returns a boolean expression: true where visible.
 * @throws TypeError when `build` returns something else, RangeError for an unusable name.
 *
 * @example
 * ```ts
 * import { mask } from '@attn/core'
 * const slidingWindow = (left: number, right = 0) =>
 *   mask('slidingWindow', ({ query, key }) => key.ge(query.sub(left)).and(key.le(query.add(right))))
 * slidingWindow(2).name // => 'slidingWindow'
 * ```
 */
export function mask(name: string, build: (coordinates: Coordinates) => BooleanExpression): Mask {
  checkName('mask', name)
  const expression = build(coordinates)
  if (expression?.node?.type !== 'boolean') {
    throw typeError(`mask: ${name} must return a boolean expression`)
  }
  return Object.freeze({ kind: 'mask', name, expression })
}

/**
 * A score modifier from an expression over the score and the coordinates.
 *
 * @param name - Letters and digits.
 * @param build - Receives the scaled score (or what an earlier modifier made of it) and the
 *   coordinates, returns a float expression. -Infinity hides the pair.
 * @throws TypeError when `build` returns something else, RangeError for an unusable name.
 *
 * @example
 * ```ts
 * import { evaluate, scoreModifier } from '@attn/core'
 * const near = scoreModifier('near', (score, { query, key }) => score.sub(query.sub(key).abs()))
 * evaluate(near.expression, { score: 3, query: 5, key: 7 }) // => 1
 * ```
 */
export function scoreModifier(
  name: string,
  build: (score: FloatExpression, coordinates: Coordinates) => FloatExpression,
): ScoreModifier {
  checkName('scoreModifier', name)
  const expression = build(floatExpression(scoreNode), coordinates)
  if (expression?.node?.type !== 'float') {
    throw typeError(`scoreModifier: ${name} must return a float expression`)
  }
  return Object.freeze({ kind: 'scoreModifier', name, expression })
}

/**
 * Squashes scores smoothly into (-cap, cap): cap tanh(score / cap), as Gemma 2 does
 * (arXiv 2408.00118).
 *
 * @param cap - Positive bound on the magnitude of a score.
 * @throws RangeError when `cap` is not a positive finite number.
 *
 * @example
 * ```ts
 * import { evaluate, softcap } from '@attn/core'
 * evaluate(softcap(5).expression, { score: 1000 }) // => 5
 * ```
 */
export function softcap(cap: number): ScoreModifier {
  if (!(cap > 0 && Number.isFinite(cap))) {
    throw rangeError(`softcap: cap must be a positive number, got ${cap}`)
  }
  return scoreModifier('softcap', (score) => score.div(cap).tanh().mul(cap))
}

/** Four axes [B, H, L, S], each full or 1 (repeated). */
export type BroadcastShape = readonly [batch: number, heads: number, queries: number, keys: number]

function broadcastIndices(shape: BroadcastShape): IntegerExpression[] {
  // A table clamps indices to its axes, so an axis of size 1 repeats without further work.
  if (shape.length !== 4) {
    throw shapeError(`shape must have four axes [batch, heads, queries, keys], got [${shape}]`)
  }
  const { batch, head, queryIndex, key } = coordinates
  return [batch, head, queryIndex, key]
}

/** Marks a table as one whose axes are those of a call. */
function ofCall<Kind extends { readonly table: Table }>(made: Kind): Kind {
  Object.assign(made.table, { ofCall: true })
  return made
}

/**
 * A mask from a boolean tensor, as other frameworks hand over: true (non-zero) where visible.
 *
 * @param values - Row-major values.
 * @param shape - `[B, H, L, S]`, where any axis may be 1 to repeat. Rows are rows of the query
 *   tensor, whatever the query offset.
 * @throws RangeError when the values do not fit the shape. A call of other sizes throws one as well.
 *
 * @example
 * ```ts
 * import { flashAttention, maskFromTensor, tensorFrom, zeros } from '@attn/core'
 * const x = zeros([1, 1, 1, 2])
 * const key = zeros([1, 1, 3, 2])
 * const value = tensorFrom([1, 2, 30], [1, 1, 3, 1])
 * const mask = maskFromTensor([true, true, false], [1, 1, 1, 3])
 * flashAttention(x, key, value, { mask }).output.storage[0] // => 1.5
 * ```
 */
export function maskFromTensor(
  values: ArrayLike<number | boolean> | ArrayLike<bigint>,
  shape: BroadcastShape,
  name = 'tensorMask',
): Mask {
  const indices = broadcastIndices(shape)
  const table = ofCall(booleanTable(name, values, shape))
  return mask(name, () => table.at(...indices))
}

/**
 * A score modifier that adds a float tensor to the scores (an attention bias; -Infinity hides).
 *
 * @param values - Row-major values.
 * @param shape - `[B, H, L, S]`, where any axis may be 1 to repeat.
 * @throws RangeError when the values do not fit the shape. A call of other sizes throws one as well.
 *
 * @example
 * ```ts
 * import { biasFromTensor, flashAttention, tensorFrom, zeros } from '@attn/core'
 * const key = zeros([1, 1, 3, 2])
 * const value = tensorFrom([1, 2, 30], [1, 1, 3, 1])
 * const bias = biasFromTensor([0, 0, -Infinity], [1, 1, 1, 3])
 * flashAttention(zeros([1, 1, 1, 2]), key, value, { scoreModifiers: [bias] }).output.storage[0] // => 1.5
 * ```
 */
export function biasFromTensor(
  values: ArrayLike<number>,
  shape: BroadcastShape,
  name = 'tensorBias',
): ScoreModifier {
  const indices = broadcastIndices(shape)
  const table = ofCall(floatTable(name, values, shape))
  return scoreModifier(name, (score) => score.add(table.at(...indices)))
}
