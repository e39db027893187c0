// Expressions as large as programs make them: long chains, wide unions, subtrees used many times. What
// reads them is linear in the graph, and no chain is too long for the call stack.
import { describe, expect, it } from 'vitest'
import {
  compile,
  compileBounds,
  coordinate,
  createBlockMap,
  dependencies,
  differentiate,
  differentiateTables,
  evaluate,
  flashAttention,
  float,
  floatTable,
  joinAll,
  mask,
  nodesOf,
  scoreModifier,
  standardAttention,
  translation,
  unionParts,
  usesOf,
  zeros,
} from '@attn/core'
import type { BooleanExpression, Coordinates, FloatExpression } from '@attn/core'
import { substitute } from '../../src/expression/substitute.ts'

const repeat = <T>(count: number, start: T, step: (value: T, index: number) => T): T => {
  let value = start
  for (let index = 0; index < count; index++) value = step(value, index)
  return value
}

const long = 10_000
const key = coordinate('key')
const at = (low: number, high: number) => ({ key: { low, high, stride: 1 } })

/** Chains of one kind of node each, with what they come to at key 5. */
const chains: Readonly<Record<string, { expression: BooleanExpression; value: number }>> = {
  sums: {
    expression: repeat(long, key, (sum, index) => sum.add(index % 3)).eq(5 + 3 * 3333),
    value: 1,
  },
  minima: { expression: repeat(long, key, (least, n) => least.min(n + 7)).eq(5), value: 1 },
  negations: { expression: repeat(long, key.le(9), (not) => not.not()), value: 1 },
  unions: {
    expression: repeat(long, key.eq(-1), (any, index) => any.or(key.eq(3 * index + 2))),
    value: 1,
  },
  choices: {
    expression: repeat(long, float(0), (chosen, n) => key.eq(n).select(n, chosen)).eq(5),
    value: 1,
  },
}

describe.each(Object.entries(chains))('a chain of %s', (_, { expression, value }) => {
  const { node } = expression

  it('has a value and bounds', () => {
    expect(evaluate(expression, { key: 5 })).toBe(value)
    const { low, high } = compileBounds(expression)(at(5, 5))
    expect(low <= value && value <= high).toBe(true)
  })

  it('is walked, replaced and compared with itself further on', () => {
    expect([...dependencies(node).coordinates]).toEqual(['key'])
    expect(nodesOf(node).at(-1)).toBe(node)
    const other = substitute(node, (each) => (each === key.node ? key.add(1).node : undefined))
    expect(evaluate({ node: other }, { key: 4 })).toBe(value)
    expect(translation(node, 1)).toBeUndefined()
  })

  it('is planned as a mask', () => {
    const shape = { batch: 1, heads: 1, queryLength: 4, keyLength: 64 }
    const sizes = { queryBlockSize: 4, keyBlockSize: 16 }
    const whole = mask('chain', () => expression)
    expect(createBlockMap(whole, shape, sizes).queryBlocks).toBe(1)
    expect(unionParts(whole)).toEqual([whole])
  })
})

const score = ({ doubled }: { doubled: number }) =>
  scoreModifier('doubled', (value) =>
    repeat(doubled, value, (sum) => sum.add(sum).mul(0.5).tanh().mul(1.25)),
  )
const reference = (doubled: number, value: number): number =>
  repeat(doubled, value, (sum) => Math.tanh((sum + sum) * 0.5) * 1.25)

describe('subtrees that are used twice, again and again', () => {
  // As trees, these have 2^60 and more nodes.
  it('are evaluated once, in values and in bounds', () => {
    const { expression } = score({ doubled: 5000 })
    const value = compile(expression)
    for (const given of [0.5, -2, 0.5]) {
      expect(value({ score: given })).toBe(reference(5000, given))
    }
    const bounds = compileBounds(expression)
    for (const given of [0.5, -2]) {
      const { low, high } = bounds({ score: { low: given, high: given, stride: 0 } })
      expect(low <= reference(5000, given) && reference(5000, given) <= high).toBe(true)
    }
  })

  it('have derivatives that are linear in the graph', () => {
    const sizeOf = (doubled: number): number => {
      const { expression } = score({ doubled })
      return nodesOf(differentiate(expression, 'score').node).length
    }
    expect(sizeOf(600) - sizeOf(400)).toBe(sizeOf(400) - sizeOf(200))
    const slope = compile(differentiate(score({ doubled: 60 }).expression, 'score'))
    const step = 1e-6
    const difference = reference(60, 0.3 + step) - reference(60, 0.3 - step)
    expect(slope({ score: 0.3 })).toBeCloseTo(difference / (2 * step), 8)
  })

  it('have derivatives by tables', () => {
    const table = floatTable('table', [0.5, 0.25], [2], { trainable: true })
    const { expression } = scoreModifier('shared', (value, coordinates) =>
      repeat(60, table.at(coordinates.key).add(value), (sum) => sum.add(sum).mul(0.5)),
    )
    const [byTable] = differentiateTables(expression)
    expect(evaluate(byTable!.derivative, { key: 1, score: 3 })).toBe(1)
  })

  it('are taken apart once', () => {
    const shared = ({ query, key }: Coordinates): BooleanExpression =>
      repeat(60, key.le(query), (any, index) =>
        index % 2 ? any.or(any) : any.and(any.or(key.eq(index))),
      )
    const whole = mask('shared', shared)
    const shape = { batch: 1, heads: 1, queryLength: 64, keyLength: 64 }
    const map = createBlockMap(whole, shape, { queryBlockSize: 8, keyBlockSize: 8 })
    const expected = createBlockMap(
      mask('plain', ({ query, key }) => key.le(query)),
      shape,
      { queryBlockSize: 8, keyBlockSize: 8 },
    )
    expect(map).toEqual(expected)
  })

  it('are counted by their uses', () => {
    const square = (value: FloatExpression): FloatExpression => value.mul(value)
    const inner = key.toFloat()
    const uses = usesOf(square(square(inner)).node)
    expect([...uses.values()]).toEqual([1, 1, 2, 2])
  })

  it('give one result in every algorithm', () => {
    const x = zeros([1, 1, 8, 2])
    x.storage.forEach((_, place) => (x.storage[place] = Math.sin(place)))
    const options = { scoreModifiers: [score({ doubled: 300 })] }
    const { output } = standardAttention(x, x, x, options)
    expect(flashAttention(x, x, x, options).output.storage).toEqual(output.storage)
  })
})

describe('joinAll', () => {
  it('is as deep as a logarithm, and asks from left to right', () => {
    const parts = Array.from({ length: 1000 }, (_, index) => key.eq(index))
    const heights = new Map<unknown, number>()
    const union = joinAll(parts, 'or')
    for (const node of nodesOf(union.node)) {
      const inputs = node.kind === 'logical' ? [node.left, node.right] : []
      heights.set(node, 1 + Math.max(0, ...inputs.map((input) => heights.get(input)!)))
    }
    expect(heights.get(union.node)).toBe(11)
    expect(evaluate(union, { key: 999 })).toBe(1)
    expect(evaluate(union, { key: 1000 })).toBe(0)
    expect(evaluate(joinAll(parts, 'and'), { key: 0 })).toBe(0)
    expect(() => joinAll([], 'or')).toThrow(RangeError)
  })
})
