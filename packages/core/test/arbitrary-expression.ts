// Random expression trees and boxes of coordinates, to hold the readings of a tree (evaluate, bounds,
// differentiate, WGSL) against one another.
import * as fc from 'fast-check'
import {
  booleanTable,
  coordinate,
  dependencies,
  float,
  floatExpression,
  floatParameter,
  floatTable,
  integer,
  integerParameter,
  integerTable,
  relation,
} from '@attn/core'
import type {
  BooleanExpression,
  Coordinate,
  ExpressionNode,
  FloatExpression,
  IntegerExpression,
  Point,
  StridedInterval,
} from '@attn/core'
import { showExpression } from './show-expression.ts'

/** What random trees may hold. */
export interface TreeOptions {
  /** Greatest depth. Default: 4. Integers then stay within 32 bits. */
  readonly depth?: number
  /** Floats of any kind. Default: true. */
  readonly floats?: boolean
  /** Look-ups in tables and relations. Default: true. */
  readonly tables?: boolean
  /** Parameters; see {@link arbitraryParameters}. Default: true. */
  readonly parameters?: boolean
  /** The score. Default: false. */
  readonly score?: boolean
  /**
   * Whether every value is a finite number of moderate size: no division by zero, no logarithm of
   * a negative number, nothing that overflows float32. Default: false.
   */
  readonly defined?: boolean
  /** Whether floats depend smoothly on the score and on tables (no kinks, no jumps). Default: false. */
  readonly smooth?: boolean
}

/** Random trees of each type. */
export interface ArbitraryTrees {
  readonly integers: fc.Arbitrary<IntegerExpression>
  readonly floats: fc.Arbitrary<FloatExpression>
  readonly booleans: fc.Arbitrary<BooleanExpression>
}

/** The integer coordinates that trees use, with the range each is drawn from. */
const coordinateRanges = {
  batch: [0, 2],
  head: [0, 3],
  query: [-9, 60],
  queryIndex: [0, 50],
  key: [0, 60],
  queryLength: [51, 51],
  keyLength: [61, 61],
  heads: [4, 4],
} as const

type IntegerCoordinate = keyof typeof coordinateRanges

const score = floatExpression({ kind: 'coordinate', type: 'float', name: 'score' })
const width = integerParameter('width', { minimum: -3, maximum: 12 })
const slope = floatParameter('slope', { minimum: -1.5, maximum: 2 })

/** Values for the parameters that trees use. */
export const arbitraryParameters: fc.Arbitrary<Record<string, number>> = fc.record({
  width: fc.integer({ min: -3, max: 12 }),
  slope: fc.double({ min: -1.5, max: 2, noNaN: true }).map(Math.fround),
})

// Several sizes, so that bounds answer both from single entries and from their pyramids.
const wave = (count: number, factor: number, size: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.floor(size * Math.sin(factor * (i + 1) ** 1.5)))
const buckets = integerTable('buckets', wave(11, 1, 6))
const labels = integerTable('labels', wave(70 * 50, 0.01, 40), [70, 50])
const bias = floatTable(
  'bias',
  Float32Array.from(wave(4 * 40, 0.7, 9), (x) => x / 7),
  [4, 40],
)
const trainable = floatTable('trainable', wave(12, 3, 5), [12], { trainable: true })
const layout = booleanTable(
  'layout',
  wave(3 * 30 * 40, 0.02, 3).map((x) => x > 0),
  [3, 30, 40],
)
const neighbours = relation('neighbours', [[1, 2, 5], [], [0, 9, 10, 11, 12, 13], [-4, 30]])

/** Random trees; each holds every kind of node that the options allow. */
export function arbitraryTrees(options: TreeOptions = {}): ArbitraryTrees {
  const { depth = 4, tables = true, parameters = true, defined = false, smooth = false } = options
  const withScore = options.score ?? false
  const withFloats = options.floats ?? true

  const constants = fc.integer({ min: -12, max: 40 }).map((value) => integer(value))
  const coordinates = fc
    .constantFrom(...(Object.keys(coordinateRanges) as IntegerCoordinate[]), 'query', 'key')
    .map((name) => coordinate(name))
  const integerLeaves = fc.oneof(
    constants,
    { arbitrary: coordinates, weight: 3 },
    ...(parameters ? [fc.constant(width)] : []),
  )
  const floatLeaves = fc.oneof(
    fc.constantFrom(0, 0.5, -0.1, 1, 3, 1 / 3, -2.75, 8).map((value) => float(value)),
    ...(parameters ? [fc.constant(slope)] : []),
    ...(withScore ? [fc.constant(score), fc.constant(score)] : []),
  )

  const floored = (x: FloatExpression): IntegerExpression =>
    (defined ? x.min(400).max(-400) : x).floor().max(-500).min(500)

  // Products are brought back below 512, or a few levels of them would leave 32 bits.
  const integerTrees = perDepth(integerLeaves, (below): fc.Arbitrary<IntegerExpression>[] => {
    const a = integerTrees(below)
    const b = integerTrees(below)
    const positive = fc.oneof(
      fc.integer({ min: 1, max: 24 }).map((value) => integer(value)),
      b.map((x) => x.abs().add(1)),
    )
    const divisor = defined ? positive : fc.oneof({ arbitrary: positive, weight: 4 }, b)
    return [
      fc.tuple(a, b).map(([x, y]) => x.add(y)),
      fc.tuple(a, b).map(([x, y]) => x.sub(y)),
      fc.tuple(a, fc.integer({ min: -4, max: 4 })).map(([x, factor]) => x.mul(factor)),
      fc.tuple(a, b).map(([x, y]) => x.mul(y).mod(509)),
      fc.tuple(a, divisor).map(([x, y]) => (isPositive(y) ? x.floorDiv(y) : x)),
      fc.tuple(a, divisor).map(([x, y]) => (isPositive(y) ? x.mod(y) : x)),
      fc.tuple(a, b).map(([x, y]) => x.min(y)),
      fc.tuple(a, b).map(([x, y]) => x.max(y)),
      a.map((x) => x.neg()),
      a.map((x) => x.abs()),
      fc.tuple(booleanTrees(below), a, b).map(([c, x, y]) => c.select(x, y)),
      ...(withFloats ? [floatTrees(below).map(floored)] : []),
      ...(tables
        ? [a.map((x) => buckets.at(x)), fc.tuple(a, b).map(([x, y]) => labels.at(x.add(20), y))]
        : []),
    ]
  })

  const floatTrees = perDepth(floatLeaves, (below): fc.Arbitrary<FloatExpression>[] => {
    const a = floatTrees(below)
    const b = floatTrees(below)
    const indices = smooth ? integerLeaves : integerTrees(below)
    const tame = defined || smooth
    const positive = (x: FloatExpression): FloatExpression => (tame ? x.mul(x).add(0.5) : x)
    const small = (x: FloatExpression): FloatExpression => (tame ? x.tanh().mul(4) : x)
    const kinks = [
      fc.tuple(a, b).map(([x, y]) => x.min(y)),
      fc.tuple(a, b).map(([x, y]) => x.max(y)),
      a.map((x) => x.abs()),
      fc.tuple(booleanTrees(below), a, b).map(([c, x, y]) => c.select(x, y)),
    ]
    return [
      fc.tuple(a, b).map(([x, y]) => x.add(y)),
      fc.tuple(a, b).map(([x, y]) => x.sub(y)),
      fc.tuple(a, b).map(([x, y]) => small(x).mul(small(y))),
      fc.tuple(a, b).map(([x, y]) => small(x).div(positive(small(y)))),
      fc.tuple(a, b).map(([x, y]) => positive(small(x)).pow(small(y).mul(0.5))),
      a.map((x) => x.neg()),
      a.map((x) => small(x).exp()),
      a.map((x) => positive(small(x)).log()),
      a.map((x) => positive(small(x)).sqrt()),
      a.map((x) => small(x).sin()),
      a.map((x) => small(x).cos()),
      a.map((x) => x.tanh()),
      indices.map((x) => x.toFloat()),
      ...(smooth ? [] : kinks),
      ...(tables
        ? [
            fc.tuple(indices, indices).map(([x, y]) => bias.at(x, y)),
            indices.map((x) => trainable.at(x)),
          ]
        : []),
    ]
  })

  const booleanLeaves = fc.tuple(integerLeaves, integerLeaves, fc.nat(5)).map(compareIntegers)
  const booleanTrees = perDepth(booleanLeaves, (below): fc.Arbitrary<BooleanExpression>[] => {
    const a = booleanTrees(below)
    const b = booleanTrees(below)
    const i = integerTrees(below)
    return [
      fc.tuple(a, b).map(([x, y]) => x.and(y)),
      fc.tuple(a, b).map(([x, y]) => x.or(y)),
      fc.tuple(a, b).map(([x, y]) => x.xor(y)),
      a.map((x) => x.not()),
      fc.tuple(i, i, fc.nat(5)).map(compareIntegers),
      fc.tuple(i, i, fc.nat(5)).map(compareIntegers),
      ...(withFloats
        ? [fc.tuple(floatTrees(below), floatTrees(below), fc.nat(5)).map(compareFloats)]
        : []),
      ...(tables
        ? [
            fc.tuple(i, i).map(([x, y]) => neighbours.contains(x, y)),
            fc.tuple(i, i, i).map(([x, y, z]) => layout.at(x, y, z)),
          ]
        : []),
    ]
  })

  return {
    integers: integerTrees(depth).map(shown),
    floats: floatTrees(depth).map(shown),
    booleans: booleanTrees(depth).map(shown),
  }
}

/** The same tree, which fast-check prints as a formula. */
function shown<T extends { readonly node: ExpressionNode }>(expression: T): T {
  return { ...expression, [fc.toStringMethod]: () => showExpression(expression.node) }
}

/** Trees by depth: leaves at 0, above that what `grow` makes of shallower ones. */
function perDepth<T>(
  leaves: fc.Arbitrary<T>,
  grow: (below: number) => fc.Arbitrary<T>[],
): (depth: number) => fc.Arbitrary<T> {
  const known = [leaves]
  return (depth) =>
    (known[depth] ??= fc.oneof(
      { withCrossShrink: true },
      leaves,
      ...grow(depth - 1).map((arbitrary) => ({ arbitrary, weight: 2 })),
    ))
}

const isPositive = ({ node }: IntegerExpression): boolean =>
  node.kind !== 'constant' || node.value > 0

const comparisons = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const

function compareIntegers([x, y, which]: [
  IntegerExpression,
  IntegerExpression,
  number,
]): BooleanExpression {
  return x[comparisons[which]!](y)
}

function compareFloats([x, y, which]: [
  FloatExpression,
  FloatExpression,
  number,
]): BooleanExpression {
  return x[comparisons[which]!](y)
}

/** An interval for each coordinate. */
export type SampleBox = Readonly<Record<Coordinate, StridedInterval>>

/** Random boxes with few enough points to look at each. */
export const arbitraryBoxes: fc.Arbitrary<SampleBox> = fc.record({
  batch: stridedIntervals(coordinateRanges.batch, 2),
  head: stridedIntervals(coordinateRanges.head, 2),
  query: stridedIntervals(coordinateRanges.query, 12),
  queryIndex: stridedIntervals(coordinateRanges.queryIndex, 4),
  key: stridedIntervals(coordinateRanges.key, 12),
  queryLength: stridedIntervals(coordinateRanges.queryLength, 1),
  keyLength: stridedIntervals(coordinateRanges.keyLength, 1),
  heads: stridedIntervals(coordinateRanges.heads, 1),
  score: fc
    .tuple(fc.integer({ min: -8, max: 8 }), fc.nat(6))
    .map(([low, length]) => ({ low: low / 4, high: (low + length) / 4, stride: 0 })),
  slot: fc.constant({ low: 0, high: 0, stride: 0 }),
})

function stridedIntervals(
  [minimum, maximum]: readonly [number, number],
  most: number,
): fc.Arbitrary<StridedInterval> {
  return fc
    .tuple(
      fc.integer({ min: minimum, max: maximum }),
      fc.integer({ min: 1, max: most }),
      fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 })),
    )
    .map(([low, wanted, step]) => {
      const count = Math.min(wanted, Math.floor((maximum - low) / step) + 1)
      return { low, high: low + (count - 1) * step, stride: count > 1 ? step : 0 }
    })
}

/** All points of a box, along the coordinates that an expression uses; five for a float range. */
export function* pointsOf(box: SampleBox, node: ExpressionNode): Generator<Point> {
  const axes = [...dependencies(node).coordinates].map((name): [Coordinate, number[]] => {
    const { low, high, stride } = box[name]
    if (name === 'score') {
      return [name, [0, 0.25, 0.5, 0.75, 1].map((part) => low + part * (high - low))]
    }
    const count = stride === 0 ? 1 : (high - low) / stride + 1
    return [name, Array.from({ length: count }, (_, i) => low + i * stride)]
  })
  const walk = function* (axis: number, point: Point): Generator<Point> {
    if (axis === axes.length) return yield { ...point }
    const [name, values] = axes[axis]!
    for (const value of values) yield* walk(axis + 1, { ...point, [name]: value })
  }
  yield* walk(0, {})
}
