// Random expression trees and boxes of coordinates, to hold the readings of a tree (evaluate, bounds,
// differentiate, WGSL) against one another.
import * as fc from 'fast-check'
import {
  booleanTable,
  coordinate,
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
  ExpressionNode,
  FloatExpression,
  IntegerExpression,
} from '@attn/core'
import { coordinateRanges } from './arbitrary-box.ts'
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
