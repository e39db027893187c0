// What the options make of one pair of query and key: whether it is visible, and what its score
// becomes. Every CPU algorithm asks here, so that they differ only in the order they ask in.
import { compile } from '../expression/evaluate.ts'
import type { Evaluator, Point } from '../expression/evaluate.ts'
import { dropoutWeight } from './dropout.ts'
import type { AttentionShape, ResolvedAttention } from './options.ts'

/** Mask and score modifiers of one call, compiled. Holds one current query, so it is no pure value. */
export interface PairRules {
  /** Makes row `queryIndex` the query that the other two functions speak of. */
  atQuery(batch: number, head: number, queryIndex: number): void
  /** Whether the current query sees this key: within the key length, and the mask allows it. */
  visible(key: number): boolean
  /** What the score modifiers make of a scaled product; -Infinity hides the pair after all. */
  modify(score: number, key: number): number
  /** What dropout multiplies the pair's probability by: 0 if dropped, 1 without dropout. */
  weight(key: number): number
}

/** Compiles the mask and the score modifiers. */
export function pairRules(shape: AttentionShape, resolved: ResolvedAttention): PairRules {
  const { queryOffsets, keyLengths, dropout } = resolved
  const allows = resolved.mask && compile(resolved.mask.expression, resolved)
  const modifiers = resolved.scoreModifiers.map((each) => compile(each.expression, resolved))
  // One object for all calls, with every field from the start: the engine keeps one hidden class.
  const point: Required<Omit<Point, 'slot'>> = {
    batch: 0,
    head: 0,
    query: 0,
    queryIndex: 0,
    key: 0,
    queryLength: shape.queryLength,
    keyLength: shape.keyLength,
    heads: shape.heads,
    score: 0,
  }
  const { within: counted } = dropout ?? {}
  const within = counted && {
    batch: compile(counted.batch),
    query: compile(counted.query),
    key: compile(counted.key),
  }
  const planeOf = (batch: number): number => batch * shape.heads + point.head
  let keys = 0
  return {
    atQuery(batch, head, queryIndex) {
      point.batch = batch
      point.head = head
      point.queryIndex = queryIndex
      point.query = queryOffsets[batch]! + queryIndex
      keys = keyLengths[batch]!
    },
    visible(key) {
      if (key >= keys) return false
      if (!allows) return true
      point.key = key
      return allows(point) !== 0
    },
    modify: modifyWith(modifiers, point),
    weight(key) {
      if (!dropout) return 1
      if (!within) return dropoutWeight(dropout, planeOf(point.batch), point.query, key)
      point.key = key
      const plane = planeOf(within.batch(point))
      return dropoutWeight(dropout, plane, within.query(point), within.key(point))
    },
  }
}

function modifyWith(
  modifiers: readonly Evaluator[],
  point: { key: number; score: number },
): PairRules['modify'] {
  if (modifiers.length === 0) return (score) => score
  return (score, key) => {
    point.key = key
    point.score = score
    for (const modifier of modifiers) point.score = modifier(point)
    return point.score
  }
}
