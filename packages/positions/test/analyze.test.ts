import { compile, tensorFrom, toFloat64Array } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  alibi,
  biasMatrix,
  extrapolationExperiment,
  interpolationBound,
  ropeFrequencies,
  rotaryScoreBound,
  rotate,
  scoreAtDistances,
  scoreFit,
  scoreWaves,
  wavelengths,
} from '../src/index.ts'
import { singularValues } from '../src/analyze/singular-values.ts'
import { fill } from './golden.ts'

const range = (count: number): Float64Array => Float64Array.from({ length: count }, (_, i) => i)
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, index) => sum + value * b[index]!, 0)

describe('rotary scores', () => {
  test('the waves give what rotating and multiplying gives', () => {
    const d = 10
    const [query, key] = [fill(1, d), fill(2, d)]
    const layouts = fc.constantFrom('half' as const, 'interleaved' as const)
    const position = fc.integer({ min: 0, max: 4000 })
    fc.assert(
      fc.property(layouts, position, position, (layout, m, n) => {
        const rotary = { ...ropeFrequencies({ headDim: d, layout }), attentionFactor: 1.5 }
        const turned = [
          [query, m],
          [key, n],
        ] as const
        const [q, k] = turned.map(([values, at]) =>
          toFloat64Array(
            rotate(tensorFrom(values, [1, 1, 1, d], 'float64'), rotary, { positions: at }),
          ),
        )
        const waves = scoreWaves(query, key, rotary)
        const [score] = scoreAtDistances(waves, rotary.inverseFrequencies, [m - n])
        expect(score).toBeCloseTo(dot(q!, k!), 10)
      }),
    )
  })

  test('refuse vectors and waves that do not fit', () => {
    const rotary = ropeFrequencies({ headDim: 4 })
    expect(() => scoreWaves([1, 2], [1, 2, 3, 4], rotary)).toThrow(RangeError)
    const waves = scoreWaves([1, 2, 3, 4], [1, 2, 3, 4], rotary)
    expect(() => scoreAtDistances(waves, [1], [0])).toThrow(RangeError)
  })
})

describe('singular values', () => {
  const columns = (rows: number, width: number): Float64Array[] =>
    Array.from({ length: width }, (_, index) => fill(index + 1, rows))

  test('decompose: X V = U diag(values), with orthonormal V and U', () => {
    const matrix = columns(20, 6)
    const { values, vectors, project } = singularValues(matrix)
    vectors.forEach((vector, i) => {
      const image = Float64Array.from({ length: 20 }, (_, row) =>
        matrix.reduce((sum, column, index) => sum + column[row]! * vector[index]!, 0),
      )
      expect(Math.sqrt(dot(image, image))).toBeCloseTo(values[i]!, 12)
      vectors.forEach((other, j) => expect(dot(vector, other)).toBeCloseTo(i === j ? 1 : 0, 12))
      project(image).forEach((value, j) => expect(value).toBeCloseTo(i === j ? values[i]! : 0, 12))
    })
    expect([...values]).toEqual([...values].toSorted((a, b) => b - a))
  })

  test('a dependent column gives a zero', () => {
    const matrix = columns(9, 3)
    const { values } = singularValues([...matrix, matrix[0]!.map((x, row) => x + matrix[1]![row]!)])
    expect(values[3]! / values[0]!).toBeLessThan(1e-15)
  })
})

describe('least-squares fit', () => {
  test('finds the waves that made the scores', () => {
    const { inverseFrequencies } = ropeFrequencies({ headDim: 8, base: 100 })
    const waves = { cosines: fill(1, 4), sines: fill(2, 4) }
    const scores = scoreAtDistances(waves, inverseFrequencies, range(200))
    const found = scoreFit({ inverseFrequencies, length: 200 }).fit(scores, 0)
    expect(dot(found.cosines, found.cosines)).toBeCloseTo(dot(waves.cosines, waves.cosines), 8)
    expect(found.sines[3]).toBeCloseTo(waves.sines[3]!, 8)
  })

  test('with a ridge solves the normal equations', () => {
    const { inverseFrequencies } = ropeFrequencies({ headDim: 4 })
    const scores = fill(3, 50)
    const ridge = 0.7
    const { cosines, sines } = scoreFit({ inverseFrequencies, length: 50 }).fit(scores, ridge)
    const curve = scoreAtDistances({ cosines, sines }, inverseFrequencies, range(50))
    const residual = scores.map((score, s) => score - curve[s]!)
    inverseFrequencies.forEach((frequency, pair) => {
      expect(
        dot(
          range(50).map((s) => Math.cos(s * frequency)),
          residual,
        ),
      ).toBeCloseTo(ridge * cosines[pair]!, 10)
      expect(
        dot(
          range(50).map((s) => Math.sin(s * frequency)),
          residual,
        ),
      ).toBeCloseTo(ridge * sines[pair]!, 10)
    })
  })

  test('refuses too few distances, other counts and a negative ridge', () => {
    const { inverseFrequencies } = ropeFrequencies({ headDim: 8 })
    expect(() => scoreFit({ inverseFrequencies, length: 7 })).toThrow(RangeError)
    const { fit } = scoreFit({ inverseFrequencies, length: 9 })
    expect(() => fit([1], 0)).toThrow('scoreFit: need 9 scores, got 1')
    expect(() => fit(range(9), -1)).toThrow(RangeError)
  })
})

describe('extrapolation at the paper’s setting (d = 128, L = 2048)', () => {
  const experiment = extrapolationExperiment()
  const seeds = Array.from({ length: 10 }, (_, index) => index + 1)
  const ratios = (ridge: number): number[] =>
    seeds
      .map((seed) => experiment.run(ridge, seed))
      .map(({ outside, inside }) => outside / inside)
      .toSorted((a, b) => a - b)

  test('is ill-conditioned: of 128 directions 71 are above 1e-3, 79 above 1e-12', () => {
    const { singularValues: values } = experiment
    const above = (threshold: number) =>
      values.filter((value) => value > threshold * values[0]!).length
    expect(values).toHaveLength(128)
    expect([above(1e-3), above(1e-12)]).toEqual([71, 79])
  })

  test.each([1e-8, 1e-6, 1e-4])('ridge %d: at least 10 times as large outside', (ridge) => {
    expect(ratios(ridge)[0]).toBeGreaterThan(10)
  })

  test('without a ridge the size outside is what rounding makes it', () => {
    expect(experiment.run(0).outside).toBeGreaterThan(1e8)
  })

  test('ridge 1 tames it for most scores, ridge 10 for all', () => {
    expect(ratios(1)[seeds.length / 2]).toBeLessThan(3)
    expect(ratios(10).at(-1)).toBeLessThan(3)
  })

  test('inside it never is large, and interpolated scores stay within 1.1 times that', () => {
    for (const ridge of [1e-8, 1e-4, 1]) {
      for (const seed of seeds) {
        const { inside, interpolated } = experiment.run(ridge, seed)
        expect(inside).toBeLessThan(1.5)
        expect(interpolated / inside).toBeLessThan(1.1)
      }
    }
  })

  test('the toy d = 32, L = 64 shows the same', () => {
    const toy = extrapolationExperiment({ headDim: 32, trainedLength: 64 })
    const { inside, outside, interpolated } = toy.run(1e-6)
    expect(outside / inside).toBeGreaterThan(10)
    expect(interpolated).toBeLessThan(2)
  })

  test('fits better than silence', () => {
    const { waves, scores } = experiment.run(1e-4)
    const curve = scoreAtDistances(waves, experiment.inverseFrequencies, range(2048))
    const residual = scores.map((score, s) => score - curve[s]!)
    expect(dot(residual, residual)).toBeLessThan(0.98 * dot(scores, scores))
  })
})

describe('bounds', () => {
  const { inverseFrequencies } = ropeFrequencies({ headDim: 128 })

  test('B(s) / d: 16.25 at 0, 1.116 at 3643, 2.80 on average over 4096', () => {
    const bound = rotaryScoreBound(inverseFrequencies, range(4096)).map((value) => value / 128)
    const least = Math.min(...bound)
    expect(bound[0]).toBe(16.25)
    expect(least).toBeCloseTo(1.116, 3)
    expect(bound.indexOf(least)).toBe(3643)
    expect(
      dot(
        bound,
        bound.map(() => 1 / 4096),
      ),
    ).toBeCloseTo(2.8, 2)
  })

  test('“about 600 times”: 589 where B(s) = d, 1649 at the mean of B', () => {
    expect(128 / interpolationBound(128)).toBeCloseTo(294.73, 2)
    expect((2 * 128) / interpolationBound(128)).toBeCloseTo(589.5, 1)
    expect((2 * 2.797165 * 128) / interpolationBound(128)).toBeCloseTo(1648.8, 1)
  })

  test('they hold: |a(s)| <= 2 max|h| B(s), and the curve stays near the line between neighbours', () => {
    const waves = { cosines: fill(1, 64), sines: fill(2, 64) }
    const largest = Math.max(...waves.cosines.map((c, pair) => Math.hypot(c, waves.sines[pair]!)))
    const distances = range(400)
    const at = (s: ArrayLike<number>) => scoreAtDistances(waves, inverseFrequencies, s)
    const whole = at(distances)
    const bound = rotaryScoreBound(inverseFrequencies, distances)
    const halves = at(distances.map((s) => s + 0.5))
    for (let s = 0; s < 399; s++) {
      expect(Math.abs(whole[s]!)).toBeLessThanOrEqual(2 * largest * bound[s]!)
      const line = (whole[s]! + whole[s + 1]!) / 2
      expect(Math.abs(halves[s]! - line)).toBeLessThanOrEqual(largest * interpolationBound(128))
    }
  })
})

describe('wavelengths', () => {
  test('18 of 64 pairs never complete a turn in 4096 positions at base 10000', () => {
    const table = wavelengths(ropeFrequencies({ headDim: 128 }), 4096)
    const unfinished = table.filter(({ completesTurn }) => !completesTurn)
    expect(unfinished).toHaveLength(18)
    expect(unfinished[0]!.pair).toBe(46)
    expect(table[0]!.wavelength).toBeCloseTo(2 * Math.PI, 12)
    expect(table[46]!.turns).toBeCloseTo((4096 * 10000 ** (-92 / 128)) / (2 * Math.PI), 12)
  })

  test('a pair that does not turn has no wavelength', () => {
    const [entry] = wavelengths({ inverseFrequencies: [0] }, 10)
    expect(entry).toEqual({ pair: 0, wavelength: Infinity, turns: 0, completesTurn: false })
    expect(() => wavelengths({ inverseFrequencies: [1] }, 0)).toThrow(RangeError)
  })
})

describe('biasMatrix', () => {
  test('holds the modified score of every pair, queries last by default', () => {
    const modifier = alibi({ heads: 2, direction: 'symmetric' })
    const modified = compile(modifier.expression)
    const matrix = biasMatrix(modifier, { heads: 2, queryLength: 3, keyLength: 5, score: 1 })
    expect(matrix.shape).toEqual([1, 2, 3, 5])
    toFloat64Array(matrix).forEach((value, index) => {
      const [head, row, key] = [Math.floor(index / 15), Math.floor(index / 5) % 3, index % 5]
      expect(value).toBe(Math.fround(modified({ score: 1, head, query: 2 + row, key })))
    })
    expect(() => biasMatrix(modifier, { heads: 0, queryLength: 1 })).toThrow(RangeError)
  })
})
