// Which token stands in which slot. Patterns such as every l-th key (Sparse Transformer, arXiv
// 1904.10509) have no empty tiles in natural order and save no time; in an order that brings their
// tokens together they are made of whole tiles. Masks go on seeing original positions.
import { rangeError } from '../errors.ts'
import { compileBounds } from '../expression/bounds.ts'
import { evaluate } from '../expression/evaluate.ts'
import { coordinate } from '../expression/expression.ts'
import type { IntegerExpression } from '../expression/expression.ts'
import type { Mask } from '../expression/mask.ts'
import type { StridedInterval } from '../expression/strided-interval.ts'
import { translation } from '../expression/translation.ts'
import type { BlockMapShape } from './create-block-map.ts'
import { divisorsIn, leastCommonMultiple, naturalStep } from './follow-diagonal.ts'
import type { AxisStep } from './follow-diagonal.ts'

/** An order of the tokens of a sequence. Rows of queries and keys may have different ones. */
export interface TokenOrder {
  readonly kind: 'tokenOrder'
  /** For `explain()`: what order it is. */
  readonly name: string
  /** Tokens of the sequence. */
  readonly length: number
  /** Slots: a token each, or a gap, which makes parts begin where tiles do. Nothing stands past them. */
  readonly slots: number
  /**
   * The token in a slot, by its row in the tensor: an expression of the coordinate `slot`. A gap has a
   * number of at least `length`. Each token stands in one slot; a key may be left out.
   */
  readonly expression: IntegerExpression
  /** The keys that are left out. */
  readonly leftOut: readonly StridedInterval[]
}

function tokenOrder(
  name: string,
  length: number,
  slots: number,
  build: (slot: IntegerExpression) => IntegerExpression,
  leftOut: readonly StridedInterval[] = [],
): TokenOrder {
  const expression = build(coordinate('slot'))
  return Object.freeze({ kind: 'tokenOrder', name, length, slots, expression, leftOut })
}

function checkWhole(caller: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isInteger(value) || value < 1 || value >= 2 ** 31) {
      throw rangeError(`${caller}: ${name} must be a positive integer, got ${value}`)
    }
  }
}

/**
 * Slot i holds token i.
 *
 * @throws RangeError when the length is not a positive integer.
 *
 * @example
 * ```ts
 * import { naturalOrder, tokensOf } from '@attn/core'
 * Array.from(tokensOf(naturalOrder(4))) // => [0, 1, 2, 3]
 * ```
 */
export function naturalOrder(length: number): TokenOrder {
  checkWhole('naturalOrder', { length })
  return tokenOrder('natural', length, length, (slot) => slot)
}

/**
 * Residue classes one after the other: tokens 0, l, 2 l, ..., then 1, l + 1, ... for stride l.
 *
 * @param length - Tokens.
 * @param stride - l.
 * @param tile - Classes are filled up with gaps to a multiple of this many slots, or, if they are
 *   shorter than that, to a divisor of it (for powers of two), so that no tile holds parts of
 *   classes. Default: 1, no gaps but those of classes that are one token shorter.
 * @throws RangeError when a number is not a positive integer.
 *
 * @example
 * ```ts
 * import { residueOrder, tokensOf } from '@attn/core'
 * tokensOf(residueOrder(6, 3)) // => [0, 3, 1, 4, 2, 5]
 * tokensOf(residueOrder(5, 3)) // => [0, 3, 1, 4, 2, -1]
 * ```
 */
export function residueOrder(length: number, stride: number, tile = 1): TokenOrder {
  checkWhole('residueOrder', { length, stride, tile })
  const tokens = Math.ceil(length / stride)
  const slots = tokens < tile ? 2 ** Math.ceil(Math.log2(tokens)) : Math.ceil(tokens / tile) * tile
  const classes = Math.min(stride, length)
  if (slots * stride >= 2 ** 31 || slots * classes >= 2 ** 31) {
    throw rangeError(`residueOrder: positions must fit 32 bits, got length=${length}`)
  }
  return tokenOrder(`residues mod ${stride}`, length, slots * classes, (slot) =>
    slot.mod(slots).mul(stride).add(slot.floorDiv(slots)),
  )
}

/**
 * Of every `period` tokens only those at places `first .. first + count - 1`, in their order: for keys
 * that sum up blocks. The others are left out.
 *
 * @throws RangeError when a number is not a positive integer (`first` may be 0) or the places exceed
 *   the period.
 *
 * @example
 * ```ts
 * import { periodicOrder, tokensOf } from '@attn/core'
 * tokensOf(periodicOrder(12, 4, 2, 2)) // => [2, 3, 6, 7, 10, 11]
 * ```
 */
export function periodicOrder(
  length: number,
  period: number,
  first: number,
  count: number,
): TokenOrder {
  checkWhole('periodicOrder', { length, period, count })
  if (!Number.isInteger(first) || first < 0 || first + count > period) {
    throw rangeError(
      `periodicOrder: places must lie in 0 .. ${period - 1}, got ${first} .. ${first + count - 1}`,
    )
  }
  const last = Math.ceil(length / period) * period
  const leftOut = Array.from({ length: period }, (_, place) => place)
    .filter((place) => (place < first || place >= first + count) && place < length)
    .map((place) => ({ low: place, high: last - period + place, stride: period }))
    .map((keys) => (keys.low === keys.high ? { ...keys, stride: 0 } : keys))
  return tokenOrder(
    `places ${first} to ${first + count - 1} of every ${period}`,
    length,
    (last / period) * count,
    (slot) => slot.floorDiv(count).mul(period).add(slot.mod(count)).add(first),
    leftOut,
  )
}

/**
 * The token in every slot; -1 for gaps.
 *
 * @example
 * ```ts
 * import { residueOrder, tokensOf } from '@attn/core'
 * Array.from(tokensOf(residueOrder(6, 3, 1))) // => [0, 3, 1, 4, 2, 5]
 * ```
 */
export function tokensOf({ expression, slots, length }: TokenOrder): number[] {
  return Array.from({ length: slots }, (_, slot) => {
    const token = evaluate(expression, { slot })
    return token < length ? token : -1
  })
}

/** By how many tokens an order moves on in how many slots, wherever one begins. */
export function stepOf(order: TokenOrder | undefined): AxisStep | undefined {
  if (!order) return naturalStep
  const slots = [...divisorsIn(order.expression.node)].reduce(leastCommonMultiple, 1)
  const tokens = translation(order.expression.node, slots)
  return tokens !== undefined && tokens > 0 ? { slots, tokens } : undefined
}

/**
 * Whether no query sees a key that the order leaves out, so that it may be used for the mask.
 *
 * @example
 * ```ts
 * import { holdsAllKeys, mask } from '@attn/core'
 * const causal = mask('causal', ({ query, key }) => key.le(query))
 * const shape = { batch: 1, heads: 1, queryLength: 8, keyLength: 8 }
 * holdsAllKeys(undefined, causal, shape) // => true
 * ```
 */
export function holdsAllKeys(
  order: TokenOrder | undefined,
  mask: Mask,
  shape: Pick<BlockMapShape, 'batch' | 'heads' | 'queryLength' | 'keyLength' | 'parameters'>,
): boolean {
  if (!order || order.leftOut.length === 0) return true
  const { batch, heads, queryLength, keyLength, parameters } = shape
  const visible = compileBounds(mask.expression, parameters ? { parameters } : {})
  const upTo = (count: number): StridedInterval => ({
    low: 0,
    high: count - 1,
    stride: count === 1 ? 0 : 1,
  })
  const single = (value: number): StridedInterval => ({ low: value, high: value, stride: 0 })
  // Without `query`: wherever the queries stand.
  const box = {
    batch: upTo(batch),
    head: upTo(heads),
    heads: single(heads),
    queryIndex: upTo(queryLength),
    queryLength: single(queryLength),
    keyLength: single(keyLength),
  }
  return order.leftOut.every((key) => visible({ ...box, key }).high === 0)
}
