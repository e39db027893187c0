// Sets of positions as expressions: a few ranges as comparisons, which every backend reads fastest,
// and anything else as a sorted relation.
import { booleanExpression, integer } from '@attn/core'
import type { BooleanExpression, IntegerExpression, IntegerLike, Relation } from '@attn/core'
import type { Lists, Span } from './random/draw.ts'

const mostRanges = 4

/** Whether a number stands in a list (row) of numbers. */
export type Membership = (row: IntegerLike, member: IntegerExpression) => BooleanExpression

/**
 * Core's `relation` for lists that are already sorted and laid end to end: a million rows need no
 * array each.
 */
export function membership(name: string, lists: Lists): Membership {
  const relation: Relation = { kind: 'relation', name, ...lists }
  return (row, member) =>
    booleanExpression(
      Object.freeze({
        kind: 'contains',
        type: 'boolean',
        relation,
        row: integer(row).node,
        member: member.node,
      }),
    )
}

/** The maximal runs of consecutive numbers in a list. */
export function spansOf(positions: ArrayLike<number>): readonly Span[] {
  const sorted = [...new Set(Array.from(positions))].toSorted((a, b) => a - b)
  const spans: { start: number; end: number }[] = []
  for (const position of sorted) {
    const last = spans.at(-1)
    if (last?.end === position) last.end++
    else spans.push({ start: position, end: position + 1 })
  }
  return spans
}

/** The union of spans as ascending, disjoint spans within `0 .. limit - 1`. */
export function mergeSpans(spans: readonly Span[], limit: number): readonly Span[] {
  const merged: { start: number; end: number }[] = []
  const clipped = spans
    .map(({ start, end }) => ({ start: Math.max(start, 0), end: Math.min(end, limit) }))
    .filter(({ start, end }) => start < end)
  for (const { start, end } of clipped.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1)
    if (last && start <= last.end) last.end = Math.max(last.end, end)
    else merged.push({ start, end })
  }
  return merged
}

/** Whether an integer expression is one of the given positions (at least one, none negative). */
export function isOneOf(
  name: string,
  positions: ArrayLike<number>,
): (position: IntegerExpression) => BooleanExpression {
  const spans = spansOf(positions)
  if (spans.length <= mostRanges) {
    return (position) =>
      spans.map((span) => within(position, span)).reduce((any, range) => any.or(range))
  }
  const members = Int32Array.from(new Set(Array.from(positions))).sort()
  const contains = membership(name, { offsets: Int32Array.of(0, members.length), members })
  return (position) => contains(0, position)
}

/** Whether a position, which is never negative, lies in a span. */
function within(position: IntegerExpression, { start, end }: Span): BooleanExpression {
  if (end === start + 1) return position.eq(start)
  return start === 0 ? position.lt(end) : position.ge(start).and(position.lt(end))
}
