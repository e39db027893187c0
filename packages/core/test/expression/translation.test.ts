import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compile, coordinate, integerTable, translation } from '@attn/core'
import type { BooleanExpression, FloatExpression, IntegerExpression, Point } from '@attn/core'
import { arbitraryBoxes, pointsOf } from '../arbitrary-box.ts'
import { arbitraryParameters, arbitraryTrees } from '../arbitrary-expression.ts'

const query = coordinate('query')
const key = coordinate('key')
const head = coordinate('head')
const table = integerTable('table', [1, 2, 3])
const distance = query.sub(key)

describe('translation', () => {
  it.each<[string, IntegerExpression | FloatExpression | BooleanExpression, number | undefined]>([
    ['a coordinate', key, 24],
    ['another coordinate', head, 0],
    ['a distance', distance, 0],
    ['a sum', query.add(key).sub(3), 48],
    ['a product', query.mul(-3), -72],
    ['a product of two', query.mul(head), undefined],
    ['negate', key.neg(), -24],
    ['absolute', key.abs(), undefined],
    ['absolute distance', distance.abs(), 0],
    ['a quotient', query.floorDiv(8), 3],
    ['a quotient with a rest', query.floorDiv(16), undefined],
    ['a residue', key.mod(12), 0],
    ['a residue of another period', key.mod(16), undefined],
    ['maximum', query.max(key), 24],
    ['maximum with a constant', query.max(7), undefined],
    ['a comparison', key.le(query), 0],
    ['a comparison with a constant', key.le(7), undefined],
    ['a comparison of floats', distance.toFloat().mul(0.3).le(2), 0],
    ['a comparison of growing floats', key.toFloat().le(query.toFloat()), undefined],
    ['select', key.le(query).select(key, query), 24],
    ['select between different moves', key.le(query).select(key, 3), undefined],
    ['a look-up by residue', table.at(key.mod(3)), 0],
    ['a look-up by position', table.at(key), undefined],
    ['a conjunction', key.le(query).and(distance.mod(8).eq(0)), 0],
    ['a conjunction with a constant', key.le(query).and(key.lt(8)), undefined],
  ])('%s', (_, expression, expected) => {
    expect(translation(expression.node, 24)).toBe(expected)
  })

  it('is what evaluating further along the diagonal finds', () => {
    let told = 0
    fc.assert(
      fc.property(
        arbitraryTrees({ defined: true, depth: 3 }).integers,
        arbitraryBoxes,
        arbitraryParameters,
        fc.constantFrom(1, 2, 12, 24, 120),
        ({ node }, box, parameters, step) => {
          const move = translation(node, step)
          if (move === undefined) return
          told++
          const evaluate = compile({ node }, { parameters })
          const moved = ({ query = 0, queryIndex = 0, key = 0, ...rest }: Point): Point => ({
            ...rest,
            query: query + step,
            queryIndex: queryIndex + step,
            key: key + step,
          })
          for (const point of pointsOf(box, node)) {
            const change = evaluate(moved(point)) - evaluate(point)
            expect(change + 0).toBe(move) // + 0: never -0
          }
        },
      ),
      { numRuns: 3000 },
    )
    expect(told).toBeGreaterThan(300)
  })
})
