// Where an expression of the distance between query and key settles: buckets and clamped look-ups
// distinguish the distances within some range, and treat all below and all above alike.
import { bottomUp } from '@attn/core'
import type { ExpressionNode, Table } from '@attn/core'

/** Distances query - key at and below `low` give one value, those at and above `high` another. */
export interface Settling {
  readonly low: number
  readonly high: number
}

/** An integer far from the diagonal: slope times distance plus an offset, NaN where it is not known. */
interface Line {
  readonly slope: number
  readonly offset: number
}

interface Tails extends Settling {
  readonly before: Line
  readonly after: Line
}

const everywhere = { low: Infinity, high: -Infinity } as const
const unknown: Line = { slope: 0, offset: Number.NaN }
const constant = (offset: number): Tails => ({
  ...everywhere,
  before: { slope: 0, offset },
  after: { slope: 0, offset },
})

/**
 * Where an expression settles, for expressions that depend on query and key through their distance
 * alone (`translation` of @attn/core is 0); undefined where it never does, or it is not known.
 * `low > high` where it does not depend on the distance.
 */
export function settling(node: ExpressionNode): Settling | undefined {
  const found = tailsOf(node)
  return found && isFlat(found) ? { low: found.low, high: found.high } : undefined
}

const tailsOf = bottomUp<Tails | undefined>((node, inputs) => {
  const complete = inputs.every((input) => input !== undefined)
  return complete ? tails(node, inputs) : undefined
}, new WeakMap<ExpressionNode, Tails | undefined>())

const isFlat = ({ before, after }: Tails): boolean => before.slope === 0 && after.slope === 0

/** The query stands at the distance and the key at 0, which is no loss where only distances count. */
function tails(node: ExpressionNode, inputs: readonly Tails[]): Tails | undefined {
  const [first, second] = inputs as [Tails, Tails]
  switch (node.kind) {
    case 'coordinate': {
      if (node.name === 'key') return constant(0)
      if (node.name !== 'query') return constant(Number.NaN)
      const line = { slope: 1, offset: 0 }
      return { ...everywhere, before: line, after: line }
    }
    case 'constant':
      return constant(node.type === 'float' ? Number.NaN : node.value)
    case 'parameter':
      return constant(Number.NaN)
    case 'unary':
      if (node.operation === 'negate') return scaled(first, -1)
      return node.operation === 'absolute' ? absolute(first) : flat(inputs)
    case 'arithmetic': {
      if (node.type === 'float') return flat(inputs)
      if (node.operation === 'add') return added(first, second, 1)
      if (node.operation === 'subtract') return added(first, second, -1)
      if (node.operation === 'multiply' && node.left.kind === 'constant') {
        return scaled(second, node.left.value)
      }
      if (node.operation === 'multiply' && node.right.kind === 'constant') {
        return scaled(first, node.right.value)
      }
      if (node.operation === 'maximum') return extreme(first, second, 1)
      return node.operation === 'minimum' ? extreme(first, second, -1) : flat(inputs)
    }
    case 'comparison':
      // A comparison settles where the difference of its sides keeps its sign.
      return node.left.type === 'float' ? flat(inputs) : settledSign(added(first, second, -1))
    case 'select':
    case 'logical':
    case 'not':
    case 'contains':
      return flat(inputs)
    case 'lookup':
      return lookup(node.table, inputs)
  }
}

function union(parts: readonly Settling[]): Settling {
  return {
    low: Math.min(...parts.map(({ low }) => low)),
    high: Math.max(...parts.map(({ high }) => high)),
  }
}

/** Anything at all of operands that settle. */
function flat(inputs: readonly Tails[]): Tails | undefined {
  if (!inputs.every(isFlat)) return undefined
  return { ...union([everywhere, ...inputs]), before: unknown, after: unknown }
}

const addLines = (a: Line, b: Line, factor: number): Line => ({
  slope: a.slope + factor * b.slope,
  offset: a.offset + factor * b.offset,
})

function added(a: Tails, b: Tails, factor: number): Tails {
  return {
    ...union([a, b]),
    before: addLines(a.before, b.before, factor),
    after: addLines(a.after, b.after, factor),
  }
}

const scaled = (a: Tails, factor: number): Tails => added(constant(0), a, factor)

/** From where on towards `side` a line lies on one side of a number, as a distance. */
function crossing({ slope, offset }: Line, value: number, side: 1 | -1): number {
  const place = (value - offset) / slope
  return side > 0 ? Math.floor(place) + 1 : Math.ceil(place) - 1
}

/** Widens both ends past where their lines cross 0; undefined where an offset is not known. */
function pastZero(a: Tails): Settling | undefined {
  let { low, high } = a
  if (a.before.slope !== 0) low = Math.min(low, crossing(a.before, 0, -1))
  if (a.after.slope !== 0) high = Math.max(high, crossing(a.after, 0, 1))
  return Number.isNaN(low) || Number.isNaN(high) ? undefined : { low, high }
}

function settledSign(difference: Tails): Tails | undefined {
  const ends = pastZero(difference)
  return ends && { ...ends, before: unknown, after: unknown }
}

function absolute(a: Tails): Tails | undefined {
  return extreme(a, scaled(a, -1), 1)
}

/** The larger (sign 1) or smaller (-1) of two: past their crossing it is one of the lines. */
function extreme(a: Tails, b: Tails, sign: number): Tails | undefined {
  const difference = added(a, b, -1)
  const ends = pastZero(difference)
  if (!ends) return undefined
  const choose = (x: Line, y: Line, gap: Line, side: 1 | -1): Line => {
    if (gap.slope === 0) {
      // Parallel lines: the offsets decide, if known; of flat ones nothing else is needed.
      if (Number.isNaN(gap.offset)) return x.slope === 0 ? unknown : { ...x, offset: Number.NaN }
      return gap.offset * sign >= 0 ? x : y
    }
    return gap.slope * side * sign > 0 ? x : y
  }
  return {
    ...ends,
    before: choose(a.before, b.before, difference.before, -1),
    after: choose(a.after, b.after, difference.after, 1),
  }
}

/** A look-up settles where its indices do, or where they leave the table: tables clamp them. */
function lookup(table: Table, inputs: readonly Tails[]): Tails | undefined {
  let { low, high } = union([everywhere, ...inputs])
  inputs.forEach((index, axis) => {
    const last = table.shape[axis]! - 1
    // Clamped from the first or the last entry on, and equal from that entry itself.
    const { before, after } = index
    if (after.slope > 0) high = Math.max(high, Math.ceil((last - after.offset) / after.slope))
    if (after.slope < 0) high = Math.max(high, Math.ceil(-after.offset / after.slope))
    if (before.slope > 0) low = Math.min(low, Math.floor(-before.offset / before.slope))
    if (before.slope < 0) low = Math.min(low, Math.floor((last - before.offset) / before.slope))
  })
  if (Number.isNaN(low) || Number.isNaN(high)) return undefined
  return { low, high, before: unknown, after: unknown }
}
