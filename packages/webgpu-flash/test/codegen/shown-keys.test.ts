// The ends between which a mask shows all keys: where they are found they say of every pair what the mask says.
import { compile, coordinate, integerTable, mask } from '@attn/core'
import type { BooleanExpression, ExpressionNode, IntegerExpression } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dataLayout } from '../../src/codegen/data-layout.ts'
import { shownKeys, shownKeysFunctions } from '../../src/codegen/shown-keys.ts'

const query = coordinate('query')
const key = coordinate('key')
const head = coordinate('head')
const starts = integerTable('starts', [3, -2, 40, 7, 0, 11])

/** Whether the ends of a mask show a pair. */
function shows(node: ExpressionNode, point: { head: number; query: number; key: number }): boolean {
  const { begin, end } = shownKeys(node)!
  const value = (end: ExpressionNode): number => compile({ node: end })(point)
  return begin.every((end) => value(end) <= point.key) && end.every((end) => point.key < value(end))
}

describe('shownKeys', () => {
  test.each<[string, BooleanExpression, boolean]>([
    ['causal', key.le(query), true],
    ['a window', key.ge(query.sub(7)).and(key.le(query.add(2))), true],
    ['the distance, as others write it', query.sub(key).lt(9).and(query.sub(key).ge(0)), true],
    ['the query first', query.ge(key), true],
    ['starts of queries', key.ge(starts.at(query)).and(key.lt(starts.at(query).add(head))), true],
    ['one key', key.eq(query), true],
    ['all but one', key.ne(query), false],
    ['either of two', key.le(query).or(key.lt(4)), false],
    ['every other', key.mod(2).eq(0), false],
    ['a multiple', key.mul(2).le(query), false],
    ['looked up by key', starts.at(key).le(query), false],
    ['both sides', key.le(query.sub(key)), false],
    ['a distance that may overflow', query.sub(key).ge(-(2 ** 31)), false],
  ])('%s', (_name, { node }, found) => {
    expect(shownKeys(node) !== undefined).toBe(found)
  })

  const small = fc.integer({ min: -9, max: 9 })
  const bounds: fc.Arbitrary<IntegerExpression> = fc.oneof(
    fc.constantFrom(query, head, starts.at(query), query.floorDiv(3), query.mul(2)),
    small.map((shift) => query.add(shift)),
    small.map((shift) => head.mul(4).add(shift)),
  )
  const comparisons: fc.Arbitrary<BooleanExpression> = fc
    .tuple(
      fc.constantFrom('lt', 'le', 'gt', 'ge', 'eq' as const),
      fc.oneof(
        bounds.map((bound) => [key, bound] as const),
        bounds.map((bound) => [bound, key] as const),
        fc.nat(20).map((distance) => [query.sub(key), distance] as const),
      ),
    )
    .map(([operation, [left, right]]) => left[operation](right))
  const masks = fc
    .array(comparisons, { minLength: 1, maxLength: 4 })
    .map((all) => all.reduce((left, right) => left.and(right)))
  const points = fc.record({ head: fc.nat(3), query: small, key: fc.nat(20) })

  test('of any mask of bounds say what the mask says', () => {
    fc.assert(
      fc.property(masks, points, ({ node }, point) => {
        expect(shows(node, point)).toBe(compile({ node })(point) === 1)
      }),
    )
  })

  test('far from all keys nothing overflows', () => {
    const far = { head: 0, query: 2 ** 31 - 1, key: 5 }
    expect(shows(key.gt(query).node, far)).toBe(false)
    expect(shows(key.le(query).node, far)).toBe(true)
    expect(shows(query.sub(key).le(2 ** 30).node, far)).toBe(false)
  })
})

test('shownKeysFunctions are of rows alone', () => {
  const { node } = mask('window', () => key.ge(query.sub(3)).and(key.le(query))).expression
  expect(shownKeysFunctions(node, dataLayout([node]))).toBe(`\
fn beginShown(batch: i32, head: i32, query: i32, queryIndex: i32) -> i32 {
  return max(0, (query - 3));
}

fn endShown(batch: i32, head: i32, query: i32, queryIndex: i32) -> i32 {
  return min(1073741824, (min(query, 1073741824) + 1));
}`)
})
