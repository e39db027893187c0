// Random boxes of coordinates and the points in them, for tests of expressions.
import * as fc from 'fast-check'
import { dependencies } from '@attn/core'
import type { Coordinate, ExpressionNode, Point, StridedInterval } from '@attn/core'

/** The integer coordinates, with the range each is drawn from. */
export const coordinateRanges = {
  batch: [0, 2],
  head: [0, 3],
  query: [-9, 60],
  queryIndex: [0, 50],
  key: [0, 60],
  queryLength: [51, 51],
  keyLength: [61, 61],
  heads: [4, 4],
} as const

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
