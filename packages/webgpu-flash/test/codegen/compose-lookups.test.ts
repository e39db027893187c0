// Composing look-ups never changes what an expression says, and T5's bias comes down to one.
import {
  biasFromTensor,
  compile,
  dependencies,
  floatParameter,
  floatTable,
  integerTable,
  scoreModifier,
} from '@attn/core'
import type { ExpressionNode, ScoreModifier } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arbitraryTrees } from '../../../core/test/arbitrary-expression.ts'
import { showExpression } from '../../../core/test/show-expression.ts'
import { composeLookups } from '../../src/codegen/compose-lookups.ts'
import { settling } from '../../src/codegen/settling.ts'
import { floatsOfDistance, integersOfDistance } from './arbitrary-distance.ts'

const heads = 4
const points = fc.record({
  batch: fc.nat(2),
  head: fc.nat(heads - 1),
  query: fc.integer({ min: -300, max: 300 }),
  queryIndex: fc.nat(50),
  key: fc.integer({ min: -300, max: 300 }),
  queryLength: fc.constant(51),
  keyLength: fc.constant(61),
  heads: fc.constant(heads),
  score: fc.double({ min: -4, max: 4, noNaN: true }),
})

/** T5's bias as @attn/positions writes it, with 8 buckets up to distance 9. */
function bucketBias(values: Float32Array, bidirectional: boolean): ScoreModifier {
  const buckets = integerTable('buckets', [0, 1, 2, 2, 3, 3, 3, 3, 3, 4])
  const bias = floatTable('bias', values, [8, heads], { trainable: true })
  return scoreModifier('bucketBias', (score, { head, query, key }) => {
    const distance = query.sub(key)
    const bucket = bidirectional
      ? buckets.at(distance.abs()).add(key.gt(query).select(3, 0))
      : buckets.at(distance)
    return score.add(bias.at(bucket, head))
  })
}

const bucketValues = (): Float32Array => Float32Array.from({ length: 8 * heads }, (_, i) => i / 4)
const compose = ({ expression }: ScoreModifier): ExpressionNode =>
  composeLookups(expression.node, heads)

describe('composeLookups', () => {
  test.each([
    [false, 'add(score, byDistance0(head, subtract(query, key)))', [heads, 10]],
    [true, 'add(score, byDistance0(head, add(subtract(query, key), 9)))', [heads, 19]],
  ])('makes bucket and bias one look-up, bidirectional: %s', (bidirectional, text, shape) => {
    const composed = compose(bucketBias(bucketValues(), bidirectional))
    expect(showExpression(composed)).toBe(text)
    expect(dependencies(composed).tables.map((table) => table.shape)).toEqual([shape])
  })

  test('sees what training has changed when it is packed again', () => {
    const values = bucketValues()
    const [table] = dependencies(compose(bucketBias(values, false))).tables
    values.fill(5)
    expect(new Set(table!.values)).toEqual(new Set([5]))
  })

  test('leaves alone what a table would not help, or could not hold', () => {
    const slopes = floatTable('slopes', [1, 2, 4, 8])
    const long = floatTable('long', new Float32Array(2 ** 15))
    const factor = floatParameter('factor')
    const untouched = [
      scoreModifier('alibi', (score, { head, query, key }) =>
        score.sub(slopes.at(head).mul(query.sub(key))),
      ),
      scoreModifier('byDistance', (score, { query, key }) => score.add(slopes.at(query.sub(key)))),
      scoreModifier('tooLong', (score, { query, key }) => score.add(long.at(query.sub(key).abs()))),
      scoreModifier('place', (score, { query, key }) => score.add(slopes.at(query.min(key)))),
      scoreModifier('growing', (score, { query, key }) => {
        const distance = query.sub(key)
        return score.add(slopes.at(distance).mul(distance))
      }),
      scoreModifier('scaled', (score, { query, key }) =>
        score.add(slopes.at(query.sub(key).abs().mul(2).add(0).floorDiv(3)).mul(factor)),
      ),
      biasFromTensor(new Float32Array(2 * 6), [1, 2, 2, 3]),
    ]
    for (const modifier of untouched) {
      const composed = compose(modifier)
      expect(dependencies(composed).tables).toEqual(dependencies(modifier.expression.node).tables)
    }
  })

  test('an axis of one entry takes no index', () => {
    const composed = compose(biasFromTensor([1, 2, 3], [1, 1, 1, 3]))
    expect(showExpression(composed)).toBe('add(score, tensorBias(0, 0, 0, key))')
  })

  test('keeps the value of every expression of the distance', () => {
    let changed = 0
    fc.assert(
      fc.property(floatsOfDistance, points, ({ node }, point) => {
        const composed = composeLookups(node, heads)
        if (composed !== node) changed++
        expect(compile({ node: composed })(point) + 0).toBe(compile({ node })(point) + 0) // -0 is 0
      }),
      { numRuns: 300 },
    )
    expect(changed).toBeGreaterThan(50)
  })

  test('keeps the value of every other expression', () => {
    const trees = arbitraryTrees({ score: true, parameters: false })
    fc.assert(
      fc.property(trees.floats, points, ({ node }, point) => {
        const expected = compile({ node })(point) + 0
        expect(compile({ node: composeLookups(node, heads) })(point) + 0).toBe(expected)
      }),
    )
  })
})

test('an expression that settles is constant beyond where it does', () => {
  let found = 0
  fc.assert(
    fc.property(integersOfDistance, fc.nat(heads - 1), fc.nat(500), ({ node }, head, far) => {
      const ends = settling(node)
      if (!ends || ends.low > ends.high) return
      found++
      const value = compile({ node })
      const at = (query: number): number => value({ head, query, key: 0 }) + 0 // -0 is 0
      expect(at(ends.high + far)).toBe(at(ends.high))
      expect(at(ends.low - far)).toBe(at(ends.low))
    }),
    { numRuns: 500 },
  )
  expect(found).toBeGreaterThan(50)
})
