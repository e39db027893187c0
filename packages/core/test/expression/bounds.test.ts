import { describe, expect, it } from 'vitest'
import {
  compileBounds,
  coordinate,
  float,
  floatParameter,
  integerParameter,
  truth,
} from '@attn/core'
import type {
  BooleanExpression,
  Box,
  FloatExpression,
  IntegerExpression,
  StridedInterval,
} from '@attn/core'

const query = coordinate('query')
const key = coordinate('key')

const every = (low: number, high: number, stride = 1): StridedInterval => ({
  low,
  high,
  stride: low === high ? 0 : stride,
})
const only = (value: number): StridedInterval => every(value, value)

describe('bounds of integers', () => {
  it.each<[string, IntegerExpression, Box, StridedInterval]>([
    ['add', query.add(key), { query: every(3, 9, 3), key: every(1, 7, 6) }, every(4, 16, 3)],
    ['subtract', query.sub(key), { query: every(0, 8, 4), key: every(1, 7, 6) }, every(-7, 7, 2)],
    ['multiply by a number', query.mul(-3), { query: every(1, 5, 2) }, every(-15, -3, 6)],
    ['multiply', query.mul(key), { query: every(2, 6, 4), key: every(0, 6, 6) }, every(0, 36, 12)],
    ['multiply signs', query.mul(key), { query: every(-2, 3), key: every(-5, 4) }, every(-15, 12)],
    ['negate', query.neg(), { query: every(-1, 9, 5) }, every(-9, 1, 5)],
    ['absolute, same residues', query.abs(), { query: every(-8, 12, 4) }, every(0, 12, 4)],
    ['absolute, halves', query.abs(), { query: every(-6, 10, 4) }, every(2, 10, 4)],
    ['absolute, other residues', query.abs(), { query: every(-5, 7, 4) }, every(1, 7, 2)],
    ['absolute of negatives', query.abs(), { query: every(-9, -3, 3) }, every(3, 9, 3)],
    ['floorDivide whole steps', query.floorDiv(4), { query: every(3, 35, 8) }, every(0, 8, 2)],
    ['floorDivide', query.floorDiv(4), { query: every(-3, 9) }, every(-1, 2)],
    ['floorDivide inside one', query.floorDiv(64), { query: every(64, 127) }, only(1)],
    [
      'floorDivide by a range',
      query.floorDiv(key),
      { query: every(-7, 20), key: every(2, 5) },
      every(-4, 10),
    ],
    ['modulo within a period', query.mod(8), { query: every(-7, -1, 3) }, every(1, 7, 3)],
    ['modulo of residues', query.mod(8), { query: every(1, 101, 4) }, every(1, 5, 4)],
    ['modulo of a class', query.mod(8), { query: every(-13, 91, 8) }, only(3)],
    ['modulo across periods', query.mod(8), { query: every(6, 9) }, every(0, 7)],
    ['modulo by a range', query.mod(key), { query: every(0, 99), key: every(3, 7) }, every(0, 6)],
    ['modulo below it', query.mod(key), { query: every(0, 2), key: every(3, 7) }, every(0, 2)],
    ['minimum', query.min(key), { query: every(0, 9, 3), key: every(4, 7, 3) }, every(0, 7)],
    [
      'minimum, same class',
      query.min(key),
      { query: every(0, 9, 3), key: only(6) },
      every(0, 6, 3),
    ],
    [
      'minimum, apart',
      query.min(key),
      { query: every(9, 12, 3), key: every(0, 8, 4) },
      every(0, 8, 4),
    ],
    ['maximum', query.max(0), { query: every(-6, 9, 3) }, every(0, 9, 3)],
    ['maximum, apart', query.max(-8), { query: every(-6, 9, 3) }, every(-6, 9, 3)],
    [
      'select joins',
      key.lt(5).select(query, 10),
      { query: every(0, 4, 4), key: every(0, 9) },
      every(0, 10, 2),
    ],
    [
      'select decided',
      key.lt(5).select(query, 10),
      { query: every(0, 4, 4), key: every(0, 4) },
      every(0, 4, 4),
    ],
    ['floor', query.toFloat().mul(0.5).floor(), { query: every(1, 5, 4) }, every(0, 2)],
    [
      'floor of whole numbers',
      query.toFloat().mul(2).floor(),
      { query: every(1, 5, 4) },
      every(2, 10, 8),
    ],
    ['unbounded', query.add(1), { query: every(0, Infinity) }, every(1, Infinity)],
    [
      'unbounded times zero',
      query.mul(key),
      { query: every(0, Infinity), key: every(0, 2) },
      every(0, Infinity),
    ],
  ])('%s', (_, expression, box, expected) => {
    expect({ ...compileBounds(expression)(box) }).toEqual(expected)
  })

  it('say nothing after a division that may be by zero', () => {
    const box = { query: every(0, 9), key: every(0, 3) }
    for (const expression of [query.floorDiv(key), query.mod(key), query.mod(key).add(1).min(3)]) {
      expect(compileBounds(expression)(box)).toMatchObject({ low: NaN, high: NaN })
    }
    expect(truth(compileBounds(query.mod(key).ge(0))(box))).toBe('sometimes')
  })

  it('take a coordinate that is left out for any 32-bit integer', () => {
    expect({ ...compileBounds(query)({}) }).toEqual(every(-(2 ** 31), 2 ** 31 - 1))
  })

  it('read a parameter by its value or by its range', () => {
    const width = integerParameter('width', { minimum: 2, maximum: 8 })
    expect({ ...compileBounds(width)({}) }).toEqual(every(2, 8))
    expect({ ...compileBounds(width, { parameters: { width: 5 } })({}) }).toEqual(only(5))
    expect(() => compileBounds(width, { parameters: { width: 9 } })).toThrow(RangeError)
  })
})

describe('bounds of booleans', () => {
  const halves = { query: every(0, 62, 2), key: every(1, 63, 2) }
  const tile = { query: every(64, 127), key: every(0, 63) }

  it.each<[string, BooleanExpression, Box, 'always' | 'never' | 'sometimes']>([
    ['less, apart', key.lt(query), tile, 'always'],
    ['less, touching', key.lt(63), tile, 'sometimes'],
    ['less, beyond', query.lt(64), tile, 'never'],
    ['lessOrEqual at the end', key.le(63), tile, 'always'],
    ['greater', key.gt(63), tile, 'never'],
    ['greaterOrEqual', query.ge(64), tile, 'always'],
    ['equal, residues apart', query.eq(key), halves, 'never'],
    ['notEqual, residues apart', query.ne(key), halves, 'always'],
    ['equal, residues alike', query.eq(key.add(1)), halves, 'sometimes'],
    ['equal, one value', query.eq(5), { query: only(5) }, 'always'],
    ['equal, not on the grid', query.eq(7), { query: every(0, 62, 2) }, 'never'],
    [
      'distance in a class',
      query.sub(key).mod(8).eq(3),
      { query: every(3, 99, 8), key: every(0, 80, 8) },
      'always',
    ],
    [
      'distance in no class',
      query.sub(key).mod(8).eq(0),
      { query: every(3, 99, 8), key: every(0, 80, 8) },
      'never',
    ],
    ['and', key.lt(64).and(query.gt(99)), tile, 'sometimes'],
    ['and, one never', query.gt(99).and(key.gt(63)), tile, 'never'],
    ['or, one always', query.gt(99).or(key.lt(64)), tile, 'always'],
    ['or, both never', query.lt(9).or(key.gt(63)), tile, 'never'],
    ['xor, decided', query.ge(64).xor(key.ge(64)), tile, 'always'],
    ['xor, alike', query.ge(64).xor(key.lt(64)), tile, 'never'],
    ['xor, open', query.ge(99).xor(key.lt(64)), tile, 'sometimes'],
    ['not', query.ge(64).not(), tile, 'never'],
  ])('%s', (_, expression, box, expected) => {
    expect(truth(compileBounds(expression)(box))).toBe(expected)
  })
})

describe('bounds of floats', () => {
  const half = Math.fround(0.5)

  it.each<[string, FloatExpression, Box, number, number]>([
    ['whole numbers add exactly', query.toFloat().add(3), { query: every(0, 4) }, 3, 7],
    ['whole numbers multiply exactly', query.toFloat().mul(-2), { query: every(0, 4) }, -8, 0],
    ['negate', query.toFloat().neg(), { query: every(0, 4) }, -4, 0],
    ['absolute', float(-half).abs(), {}, half, half],
    ['minimum', query.toFloat().min(half), { query: every(-2, 4) }, -2, half],
    ['maximum', query.toFloat().max(half), { query: every(-2, 4) }, half, 4],
  ])('%s', (_, expression, box, low, high) => {
    expect(compileBounds(expression)(box)).toMatchObject({ low, high })
  })

  it.each<[string, FloatExpression, Box, number, number]>([
    ['divide', query.toFloat().div(key), { query: every(-6, 3), key: every(2, 3) }, -3, 1.5],
    ['power', query.toFloat().pow(float(2.5)), { query: every(0, 4) }, 0, 32],
    ['power falling', float(half).pow(query.toFloat()), { query: every(1, 3) }, 0.125, 0.5],
    ['exp', query.toFloat().exp(), { query: every(-1, 2) }, Math.exp(-1), Math.exp(2)],
    ['log', query.toFloat().log(), { query: every(1, 9) }, 0, Math.log(9)],
    ['sqrt', query.toFloat().sqrt(), { query: every(4, 9) }, 2, 3],
    ['tanh', query.toFloat().tanh(), { query: every(-1, 1) }, Math.tanh(-1), Math.tanh(1)],
    ['sin without crest', query.toFloat().sin(), { query: every(0, 1) }, 0, Math.sin(1)],
    ['sin over its crest', query.toFloat().sin(), { query: every(1, 3) }, Math.sin(3), 1],
    ['sin over its trough', query.toFloat().sin(), { query: every(4, 6) }, -1, Math.sin(6)],
    ['cos over a crest', query.toFloat().cos(), { query: every(-1, 2) }, Math.cos(2), 1],
    ['cos over a trough', query.toFloat().cos(), { query: every(2, 4) }, -1, Math.cos(2)],
    ['cos over a turn', query.toFloat().cos(), { query: every(0, 7) }, -1, 1],
  ])('%s, widened by little', (_, expression, box, low, high) => {
    const found = compileBounds(expression)(box)
    expect(found.low).toBeLessThanOrEqual(low)
    expect(found.high).toBeGreaterThanOrEqual(high)
    expect(found.low).toBeGreaterThan(low - 2e-3 * Math.max(1, Math.abs(low)))
    expect(found.high).toBeLessThan(high + 2e-3 * Math.max(1, Math.abs(high)))
  })

  it.each<[string, FloatExpression, Box]>([
    ['division by zero', float(1).div(query.toFloat()), { query: every(-1, 1) }],
    ['logarithm of a negative number', query.toFloat().log(), { query: every(-1, 1) }],
    ['root of a negative number', query.toFloat().sqrt(), { query: every(-1, 1) }],
    // The exponent of exp2(y log2(x)) may be off by y 2^-21.
    ['power of a large exponent', float(1).pow(key.toFloat()), { key: every(2 ** 24, 2 ** 24) }],
    ['power of a negative number', query.toFloat().pow(2), { query: every(-1, 1) }],
    ['infinity minus infinity', float(Infinity).sub(Infinity), {}],
    ['infinity times zero', float(Infinity).mul(query.toFloat()), { query: every(0, 1) }],
    ['sine of infinity', float(Infinity).sin(), {}],
  ])('say nothing after %s', (_, expression, box) => {
    expect(compileBounds(expression)(box)).toMatchObject({ low: NaN, high: NaN })
    expect(truth(compileBounds(expression.le(Infinity))(box))).toBe('sometimes')
  })

  it('leave open what float32 rounds across', () => {
    const third = query.toFloat().div(3)
    expect(truth(compileBounds(third.mul(3).ge(1))({ query: only(1) }))).toBe('sometimes')
    expect(truth(compileBounds(third.mul(3).ge(0.999))({ query: only(1) }))).toBe('always')
    const large = query.toFloat().sub(2 ** 24)
    expect(truth(compileBounds(large.gt(0))({ query: only(2 ** 24 + 1) }))).toBe('sometimes')
  })

  it('read a parameter by its value or by its range', () => {
    const slope = floatParameter('slope', { minimum: -1, maximum: 0.5 })
    expect(compileBounds(slope)({})).toMatchObject({ low: -1, high: 0.5 })
    const known = compileBounds(slope, { parameters: { slope: 0.1 } })({})
    expect(known.low).toBeLessThan(Math.min(0.1, Math.fround(0.1)))
    expect(known.high).toBeGreaterThan(Math.max(0.1, Math.fround(0.1)))
  })
})

describe('compileBounds', () => {
  it('overwrites its result, so that planning does not allocate', () => {
    const sum = compileBounds(query.add(key))
    const first = sum({ query: only(1), key: only(2) })
    expect(first.low).toBe(3)
    expect(sum({ query: only(3), key: only(4) })).toBe(first)
    expect(first.low).toBe(7)
  })
})
