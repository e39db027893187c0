// What expressions vary with: steps hold at every point, and sums of distances have them.
import { compile, coordinate } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { joinPlaces, placeOf, stepsOf } from '../../src/codegen/placement.ts'
import { integersOfDistance } from './arbitrary-distance.ts'

const query = coordinate('query')
const key = coordinate('key')
const head = coordinate('head')
const points = fc.record({
  head: fc.nat(3),
  query: fc.integer({ min: -50, max: 50 }),
  key: fc.integer({ min: -50, max: 50 }),
})

describe('stepsOf', () => {
  test.each([
    ['distance', query.sub(key), { query: 1, key: -1 }],
    ['multiples', query.mul(3).sub(key.mul(-2)).add(head.mul(head)), { query: 3, key: 2 }],
    ['rows', coordinate('queryIndex').neg(), { query: -1, key: 0 }],
    ['heads only', head.mod(3), { query: 0, key: 0 }],
    ['a product', query.mul(key), undefined],
    ['a quotient', query.floorDiv(2), undefined],
    ['a magnitude', query.sub(key).abs(), undefined],
  ])('%s', (_, { node }, steps) => {
    const { query: ofQuery, key: ofKey } = stepsOf(node) ?? {}
    expect([ofQuery, ofKey].map((step) => step && step + 0)).toEqual([steps?.query, steps?.key])
  })

  test('of any expression hold everywhere', () => {
    fc.assert(
      fc.property(integersOfDistance, points, ({ node }, point) => {
        const steps = stepsOf(node)
        fc.pre(steps !== undefined)
        const value = compile({ node })
        const here = value(point)
        // Adding 0 makes one zero of the two that JavaScript has.
        const step = (next: typeof point): number => value(next) - here + 0
        expect(step({ ...point, query: point.query + 1 })).toBe(steps.query + 0)
        expect(step({ ...point, key: point.key + 1 })).toBe(steps.key + 0)
      }),
    )
  })
})

test('placeOf and joinPlaces', () => {
  expect(placeOf(head.add(1).node)).toBe('head')
  expect(placeOf(query.add(head).node)).toBe('query')
  expect(placeOf(key.node)).toBe('key')
  expect(placeOf(query.sub(key).node)).toBe('pair')
  expect(placeOf({ kind: 'coordinate', type: 'float', name: 'score' })).toBe('pair')
  expect(joinPlaces(['head', 'query'])).toBe('query')
  expect(joinPlaces(['key', 'query'])).toBe('pair')
  expect(joinPlaces([])).toBe('head')
})
