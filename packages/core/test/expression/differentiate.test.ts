import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compile,
  dependencies,
  differentiate,
  differentiateTables,
  evaluate,
  float,
  floatParameter,
  floatTable,
  scoreModifier,
  softcap,
} from '../../src/index.ts'
import type { FloatExpression, Point, ScoreModifier } from '../../src/index.ts'
import { arbitraryParameters, arbitraryTrees } from '../arbitrary-expression.ts'
import { showExpression } from '../show-expression.ts'

const of = (build: (score: FloatExpression) => FloatExpression): FloatExpression =>
  scoreModifier('test', build).expression
const text = (expression: FloatExpression): string => showExpression(expression.node)

const arbitraryPoint: fc.Arbitrary<Point> = fc.record({
  batch: fc.integer({ min: 0, max: 2 }),
  head: fc.integer({ min: 0, max: 3 }),
  query: fc.integer({ min: -9, max: 60 }),
  queryIndex: fc.integer({ min: 0, max: 50 }),
  key: fc.integer({ min: 0, max: 60 }),
  queryLength: fc.constant(51),
  keyLength: fc.constant(61),
  heads: fc.constant(4),
  score: fc.double({ min: -3, max: 3, noNaN: true }),
})

const smoothTrees = arbitraryTrees({ score: true, smooth: true, defined: true }).floats

/** Central difference with the error of order step^4. */
function slopeOf(value: (shift: number) => number, step: number): number {
  const at = (shift: number): number => value(shift) - value(-shift)
  return (8 * at(step) - at(2 * step)) / (12 * step)
}

/** Relative error of a slope where the finite difference has converged, as it has almost everywhere. */
function slopeError(value: (shift: number) => number, slope: number): number {
  const coarse = slopeOf(value, 2 ** -10)
  const fine = slopeOf(value, 2 ** -11)
  const size = Math.max(1, Math.abs(fine))
  fc.pre(Math.abs(coarse - fine) < 1e-6 * size)
  return Math.abs(slope - fine) / size
}

describe('differentiate', () => {
  test('agrees with finite differences by the score', () => {
    fc.assert(
      fc.property(smoothTrees, arbitraryPoint, arbitraryParameters, (tree, point, parameters) => {
        const value = compile(tree, { parameters })
        const slope = evaluate(differentiate(tree, 'score'), point, { parameters })
        const at = (shift: number): number => value({ ...point, score: point.score! + shift })
        expect(slopeError(at, slope)).toBeLessThan(1e-5)
      }),
      { numRuns: 1000 },
    )
  })

  test('agrees with finite differences by a parameter', () => {
    fc.assert(
      fc.property(smoothTrees, arbitraryPoint, arbitraryParameters, (tree, point, parameters) => {
        const used = dependencies(tree.node).parameters.some(({ name }) => name === 'slope')
        fc.pre(used && Math.abs(parameters['slope']!) < 1.4)
        const by = floatParameter('slope')
        const slope = evaluate(differentiate(tree, by), point, { parameters })
        const at = (shift: number): number =>
          evaluate(tree, point, {
            parameters: { ...parameters, slope: parameters['slope']! + shift },
          })
        expect(slopeError(at, slope)).toBeLessThan(1e-5)
      }),
      { numRuns: 500 },
    )
  })

  test('agrees with finite differences by the entries of trainable tables', () => {
    let compared = 0
    fc.assert(
      fc.property(smoothTrees, arbitraryPoint, arbitraryParameters, (tree, point, parameters) => {
        const derivatives = differentiateTables(tree)
        const entries = new Map<number, number>()
        for (const { entry, derivative } of derivatives) {
          const index = evaluate(entry, point, { parameters })
          const slope = evaluate(derivative, point, { parameters })
          entries.set(index, (entries.get(index) ?? 0) + slope)
        }
        const value = compile(tree, { parameters })
        for (const [index, slope] of entries) {
          const { values } = derivatives[0]!.table
          const before = values[index]!
          const at = (shift: number): number => {
            values[index] = before + shift // exact: entries are small integers
            const result = value(point)
            values[index] = before
            return result
          }
          expect(slopeError(at, slope)).toBeLessThan(1e-5)
          compared++
        }
      }),
      { numRuns: 500 },
    )
    expect(compared).toBeGreaterThan(50)
  })

  test('is the plain formula after folding', () => {
    const slope = (build: (score: FloatExpression) => FloatExpression): string =>
      text(differentiate(of(build), 'score'))
    const one = text(float(1))
    expect(slope((score) => score)).toBe(one)
    expect(slope((score) => score.mul(3).div(3))).toBe(one)
    expect(slope(() => float(7))).toBe(text(float(0)))
    expect(slope((score) => score.mul(2).add(5))).toBe(text(float(2)))
    expect(slope((score) => score.sub(4).neg())).toBe(text(float(-1)))
    const squash = of((score) => score.div(4).tanh())
    expect(text(differentiate(squash.mul(4), 'score'))).toBe(text(float(1).sub(squash.mul(squash))))
  })

  test('a bias has slope 1 whatever it is, even infinite', () => {
    const hide = scoreModifier('hide', (score, { query, key }) =>
      score.add(key.gt(query).select(-Infinity, 0.5)),
    )
    expect(text(differentiate(hide.expression, 'score'))).toBe(text(float(1)))
  })

  test.each<[string, (score: FloatExpression) => FloatExpression, number, number]>([
    ['abs at 0', (score) => score.abs(), 0, 0],
    ['abs below 0', (score) => score.abs(), -2, -1],
    ['max of equals takes the left', (score) => score.max(1), 1, 1],
    ['max of equals takes the left, being constant', (score) => float(1).max(score), 1, 0],
    ['min of equals takes the left', (score) => score.min(1), 1, 1],
    ['floor', (score) => score.floor().toFloat(), 0.5, 0],
    ['the branch taken', (score) => score.gt(0).select(score.mul(2), score.mul(3)), 1, 2],
    ['the branch taken', (score) => score.gt(0).select(score.mul(2), score.mul(3)), -1, 3],
    ['square at 0', (score) => score.pow(2), 0, 0],
    ['first power at 0', (score) => score.pow(1), 0, 1],
    ['zeroth power at 0', (score) => score.pow(0), 0, 0],
    ['0 to the score', (score) => float(0).pow(score), 2, 0],
    ['sqrt at 0', (score) => score.sqrt(), 0, Infinity],
    ['log at 0', (score) => score.log(), 0, Infinity],
  ])('convention: %s', (_, build, score, expected) => {
    expect(evaluate(differentiate(of(build), 'score'), { score })).toBe(expected)
  })

  test('tables that are not trainable, and look-ups in conditions, have no derivative', () => {
    const frozen = floatTable('frozen', [1, 2])
    const trained = floatTable('trained', [1, 2], [2], { trainable: true })
    const modifier: ScoreModifier = scoreModifier('both', (score, { head }) =>
      trained
        .at(head)
        .gt(0)
        .select(score.mul(frozen.at(head)), 0),
    )
    expect(differentiateTables(modifier.expression)).toEqual([])
  })

  test('the entry is row-major and clamped as the look-up is', () => {
    const values = Float32Array.from({ length: 12 }, (_, i) => i)
    const table = floatTable('grid', values, [3, 4], { trainable: true })
    const { expression } = scoreModifier('grid', (score, { query, key }) =>
      score.add(table.at(query, key)),
    )
    const [only] = differentiateTables(expression)
    for (const query of [-2, 0, 1, 2, 5]) {
      for (const key of [-1, 0, 3, 9]) {
        const entry = evaluate(only!.entry, { query, key })
        expect(values[entry]).toBe(evaluate(expression, { query, key, score: 0 }))
      }
    }
  })

  test('refuses to differentiate by anything else', () => {
    const { expression } = softcap(3)
    expect(() => differentiate(expression, float(3))).toThrow(
      new TypeError("differentiate: need 'score' or a float parameter, got a constant"),
    )
    expect(() => differentiate(expression, 'head' as 'score')).toThrow(TypeError)
  })
})
