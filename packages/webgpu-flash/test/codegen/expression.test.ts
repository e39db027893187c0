import { describe, expect, it } from 'vitest'
import {
  boolean,
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
import type { ExpressionNode } from '@attn/core'
import { dataLayout } from '../../src/codegen/data-layout.ts'
import { constantText, expressionFunction, helperText } from '../../src/codegen/expression.ts'
import { helperFunctions } from '../../src/codegen/helpers.ts'
import type { HelperName } from '../../src/codegen/helpers.ts'

const query = coordinate('query')
const key = coordinate('key')
const score = floatExpression({ kind: 'coordinate', type: 'float', name: 'score' })

function generate({ node }: { readonly node: ExpressionNode }) {
  return expressionFunction('f', node, dataLayout([node]), true)
}

/** What the generated function returns, without the statements before. */
function returned(expression: { readonly node: ExpressionNode }): string {
  return /return (.*);\n\}$/.exec(generate(expression).code)![1]!
}

function helpersOf(expression: { readonly node: ExpressionNode }): HelperName[] {
  return [...generate(expression).helpers].toSorted()
}

describe('the text of each kind of node', () => {
  it.each([
    ['constants', query.add(3), '(query + 3)'],
    ['negative integers', query.add(-3), '(query + i32(-3))'],
    ['floats', score.add(0.5), '(score + 0.5f)'],
    ['whole floats', score.mul(2), '(score * 2.0f)'],
    ['negative floats', score.sub(-0.1), '(score - (-0.10000000149011612f))'],
    ['small floats', score.mul(1e-7), '(score * 1.0000000116860974e-7f)'],
    ['-Infinity', score.max(-Infinity), 'floatMaximum(score, negativeInfinity())'],
    ['Infinity', score.min(Infinity), 'floatMinimum(score, (-negativeInfinity()))'],
    ['truth', query.lt(key).and(true), '((query < key) & true)'],
    [
      'sizes',
      coordinate('queryLength').sub(coordinate('heads')),
      '(i32(params.queryLength) - i32(params.heads))',
    ],
    [
      'other coordinates',
      coordinate('batch').add(coordinate('head')).add(coordinate('queryIndex')),
      '((batch + head) + queryIndex)',
    ],
    ['negation', query.neg(), '(-query)'],
    ['absolute values', query.abs(), 'abs(query)'],
    ['conversions', query.toFloat(), 'f32(query)'],
    ['floors', score.floor(), 'i32(floor(score))'],
    ['functions', score.exp().log().sqrt().sin().cos(), 'cos(sin(sqrt(log(exp(score)))))'],
    ['tanh', score.tanh(), 'boundedTanh(score)'],
    ['powers', score.abs().pow(0.5), 'pow(abs(score), 0.5f)'],
    ['powers that zero may not have', score.abs().pow(-1), 'powerOf(abs(score), (-1.0f))'],
    ['quotients', score.div(3), '(score / 3.0f)'],
    ['minima and maxima', query.min(key).max(0), 'max(min(query, key), 0)'],
    ['floored division by a power of two', query.floorDiv(8), '(query >> 3u)'],
    ['remainders by a power of two', query.mod(8), '(query & 7)'],
    ['floored division', query.floorDiv(6), 'floorDivide(query, 6)'],
    ['remainders', query.mod(key), 'floorModulo(query, key)'],
    ['equality', query.eq(key).or(query.ne(key)), '((query == key) | (query != key))'],
    ['order', query.le(key).xor(query.gt(key)), '((query <= key) != (query > key))'],
    ['more order', query.lt(key).and(query.ge(key)), '((query < key) & (query >= key))'],
    ['negated truth', query.lt(key).not(), '!(query < key)'],
    ['choices', query.lt(key).select(query, 1), 'select(1, query, (query < key))'],
  ])('%s', (_, expression, text) => {
    expect(returned(expression)).toBe(text)
  })

  it('look-ups, each with its place in the descriptor', () => {
    const slopes = floatTable('slopes', [1, 2])
    const grid = integerTable('grid', [1, 2, 3, 4, 5, 6], [2, 3])
    const layout = booleanTable('layout', [1, 0])
    expect(returned(slopes.at(key))).toBe(
      'bitcast<f32>(data[params.tables[0].x + clampIndex(key, params.tables[0].y)])',
    )
    expect(returned(grid.at(query, key))).toBe(
      'bitcast<i32>(data[params.tables[0].x + clampIndex(query, params.tables[0].y) * params.tables[0].z + clampIndex(key, params.tables[0].z)])',
    )
    expect(returned(layout.at(key))).toBe(
      'tableBit(params.tables[0].x, 0u + clampIndex(key, params.tables[0].y))',
    )
    // Three words of the first table, two of the second.
    expect(returned(grid.at(query, key).add(integerTable('one', [1]).at(key)))).toContain(
      'data[params.tables[0].w + clampIndex(key, params.tables[1].x)]',
    )
  })

  it('relations and parameters', () => {
    const near = relation('near', [[1], [2]])
    const width = integerParameter('width', { minimum: 0, maximum: 9 })
    const slope = floatParameter('slope', { minimum: 0, maximum: 9 })
    expect(returned(near.contains(query, key))).toBe(
      'relationContains(params.tables[0].x, query, key)',
    )
    expect(returned(score.mul(slope).add(width.toFloat()))).toBe(
      '((score * bitcast<f32>(params.parameters[0].x)) + f32(bitcast<i32>(params.parameters[0].y)))',
    )
  })
})

describe('expressionFunction', () => {
  it('declares what the kernels call', () => {
    const { node } = key.le(query)
    expect(expressionFunction('visible', node, dataLayout([node]), false).code).toBe(
      [
        'fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {',
        '  return (key <= query);',
        '}',
      ].join('\n'),
    )
    expect(generate(score.mul(2)).code).toContain('fn f(score: f32, batch: i32')
  })

  it('computes what is used twice once', () => {
    const distance = query.sub(key)
    expect(generate(distance.mul(distance).add(distance.mul(distance).abs())).code).toContain(
      ['  let v0 = (query - key);', '  return ((v0 * v0) + abs((v0 * v0)));'].join('\n'),
    )
    const square = distance.mul(distance)
    expect(generate(square.add(square.abs())).code).toContain(
      ['  let v0 = (query - key);', '  let v1 = (v0 * v0);', '  return (v1 + abs(v1));'].join('\n'),
    )
  })

  it('asks for the helpers its text calls, and no other', () => {
    expect(helpersOf(query.add(key))).toEqual([])
    expect(helpersOf(query.mod(7))).toEqual(['floorModulo'])
    expect(helpersOf(query.floorDiv(7))).toEqual(['floorDivide', 'floorModulo'])
    expect(helpersOf(score.tanh())).toEqual(['boundedTanh'])
    expect(helpersOf(integerTable('t', [1]).at(key))).toEqual(['clampIndex'])
    expect(helpersOf(booleanTable('t', [1]).at(key))).toEqual(['clampIndex', 'tableBit'])
    expect(helpersOf(relation('t', [[1]]).contains(query, key))).toEqual(['relationContains'])
  })

  it('never lets a name of the user into the text', () => {
    const table = floatTable('secretName', [1, 2])
    const parameter = floatParameter('otherName', { minimum: 0, maximum: 1 })
    const { code } = generate(table.at(key).add(parameter))
    expect(code).not.toMatch(/secretName|otherName/)
  })

  it('refuses coordinates that masks do not have', () => {
    const slot: ExpressionNode = { kind: 'coordinate', type: 'integer', name: 'slot' }
    expect(() => generate({ node: slot })).toThrow(TypeError)
  })
})

describe('constant parts', () => {
  it.each([
    ['are computed beforehand', query.add(integer(3).mul(4)), '(query + 12)'],
    [
      'overflow as on the GPU',
      query.add(integer(2 ** 31 - 1).add(1)),
      '(query + i32(-2147483648))',
    ],
    ['may be infinite', score.add(float(1).div(0)), '(score + (-negativeInfinity()))'],
    [
      'may choose',
      boolean(true).select(score, 0).add(float(0).cos()),
      '(select(0.0f, score, true) + 1.0f)',
    ],
    ['keep truth', query.lt(key).and(integer(1).lt(2)), '((query < key) & true)'],
  ])('%s', (_, expression, text) => {
    expect(returned(expression)).toBe(text)
  })

  it('must be numbers', () => {
    expect(() => generate(score.add(float(0).div(0)))).toThrow(RangeError)
    const text = '1.0; evil()' as unknown as number
    expect(() => generate({ node: { kind: 'constant', type: 'integer', value: text } })).toThrow(
      'a constant in an expression must be a number',
    )
  })

  it('do not swallow tables that may change', () => {
    expect(returned(floatTable('t', [1, 2]).at(1))).toContain('data[')
  })
})

describe('constantText', () => {
  it.each([0, 1, -1, 0.1, 1e-30, 1e30, 2 ** 24 + 2, 1 / 3, -2.5e-8, 3.4028234663852886e38])(
    'writes the float32 nearest to %d',
    (value) => {
      const text = constantText(value, 'float', new Set())
      expect(text).toMatch(/^\(?-?\d+(\.\d+)?(e[+-]\d+)?f\)?$/)
      expect(Number.parseFloat(text.replace('(', ''))).toBe(Math.fround(value))
    },
  )
})

describe('helperText', () => {
  it('holds each helper once, after those it calls', () => {
    const all = Object.keys(helperFunctions) as HelperName[]
    const text = helperText([...all.toReversed(), ...all])
    const names = [...text.matchAll(/^fn (\w+)/gm)].map((match) => match[1])
    expect(names).toHaveLength(all.length)
    expect(new Set(names)).toEqual(new Set(all))
    expect(names.indexOf('floorModulo')).toBeLessThan(names.indexOf('floorDivide'))
  })
})
