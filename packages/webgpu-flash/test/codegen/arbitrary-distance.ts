// Random expressions of the distance between query and key: what biases are made of.
import * as fc from 'fast-check'
import { coordinate, floatTable, integerTable } from '@attn/core'
import type { BooleanExpression, FloatExpression, IntegerExpression } from '@attn/core'

const query = coordinate('query')
const key = coordinate('key')
const head = coordinate('head')

const wave = (count: number, factor: number, size: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.floor(size * Math.sin(factor * (i + 1) ** 1.5)))
const buckets = integerTable('buckets', wave(11, 1, 6))
const grid = integerTable('grid', wave(12, 2, 5), [3, 4])
const bias = floatTable('bias', wave(4 * 7, 0.7, 9), [4, 7])

interface Trees {
  integers: IntegerExpression
  booleans: BooleanExpression
  floats: FloatExpression
}

const { integers, floats } = fc.letrec<Trees>((tie) => {
  const small = fc.integer({ min: -4, max: 9 })
  const integer = tie('integers') as fc.Arbitrary<IntegerExpression>
  const truth = tie('booleans') as fc.Arbitrary<BooleanExpression>
  const number = tie('floats') as fc.Arbitrary<FloatExpression>
  return {
    integers: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(query.sub(key), key.sub(query), query.sub(key).mul(3).add(5)),
      fc.constant(head),
      fc.tuple(integer, small).map(([x, y]) => x.add(y)),
      fc.tuple(integer, small).map(([x, y]) => x.mul(y)),
      fc.tuple(integer, integer).map(([x, y]) => x.sub(y)),
      fc.tuple(integer, small).map(([x, y]) => x.min(y)),
      fc.tuple(integer, integer).map(([x, y]) => x.max(y)),
      integer.map((x) => x.abs()),
      integer.map((x) => x.neg()),
      integer.map((x) => buckets.at(x)),
      fc.tuple(integer, integer).map(([x, y]) => grid.at(x, y)),
      fc.tuple(truth, integer, integer).map(([x, y, z]) => x.select(y, z)),
      fc.tuple(integer, fc.integer({ min: 1, max: 5 })).map(([x, y]) => x.floorDiv(y)),
    ),
    booleans: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(key.gt(query), key.le(query.sub(3))),
      fc.tuple(integer, small).map(([x, y]) => x.lt(y)),
      fc.tuple(integer, integer).map(([x, y]) => x.eq(y)),
    ),
    floats: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.tuple(integer, integer).map(([x, y]) => bias.at(x, y)),
      integer.map((x) => bias.at(head, x)),
      integer.map((x) => x.toFloat()),
      fc.tuple(number, number).map(([x, y]) => x.add(y)),
    ),
  }
})

/** Integers of the distance, with look-ups, clamps and comparisons; heads are 0 to 3. */
export const integersOfDistance: fc.Arbitrary<IntegerExpression> = integers
/** Floats of the distance. */
export const floatsOfDistance: fc.Arbitrary<FloatExpression> = floats
