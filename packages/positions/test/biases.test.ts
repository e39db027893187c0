import { compile, dependencies } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { alibi, fire, kerpleLog, kerplePower, sandwich } from '../src/index.ts'
import { fill } from './golden.ts'

const pairs = (length: number): { query: number; key: number }[] =>
  Array.from({ length: length * length }, (_, index) => ({
    query: Math.floor(index / length),
    key: index % length,
  }))

/** Product of two sinusoidal embeddings of width 16. */
const product = (m: number, n: number): number => {
  let sum = 0
  for (let i = 0; i < 16; i += 2) {
    const w = 10000 ** (-i / 16)
    sum += Math.sin(m * w) * Math.sin(n * w) + Math.cos(m * w) * Math.cos(n * w)
  }
  return sum
}

describe('KERPLE', () => {
  const scale = [0.5, 2]

  test('logarithmic: -r1 log(1 + r2 |i - j|)', () => {
    const rate = [1, 0.25]
    const modified = compile(kerpleLog({ heads: 2, scale, rate }).expression)
    for (const { query, key } of pairs(9)) {
      const expected = 3 - 2 * Math.log(1 + 0.25 * Math.abs(query - key))
      expect(modified({ score: 3, head: 1, query, key })).toBeCloseTo(expected, 6)
    }
  })

  test('power: -r1 |i - j|^r2, nothing on the diagonal', () => {
    const modified = compile(kerplePower({ heads: 2, scale, exponent: [1, 1.5] }).expression)
    for (const { query, key } of pairs(9)) {
      const expected = 3 - 2 * Math.abs(query - key) ** 1.5
      expect(modified({ score: 3, head: 1, query, key })).toBeCloseTo(expected, 5)
    }
  })

  test('power with exponent 1 is symmetric ALiBi', () => {
    const power = compile(kerplePower({ heads: 2, scale, exponent: [1, 1] }).expression)
    const linear = compile(alibi({ heads: 2, slopes: scale, direction: 'symmetric' }).expression)
    for (const point of pairs(6)) {
      const at = { score: 0, head: 0, ...point }
      expect(power(at)).toBe(linear(at))
    }
  })

  test('both parameters are trainable tables, one number a head, spread by default', () => {
    for (const bias of [kerpleLog({ heads: 4 }), kerplePower({ heads: 4 })]) {
      const { tables } = dependencies(bias.expression.node)
      expect(new Set(tables)).toEqual(new Set(bias.tables))
      expect(bias.tables.every(({ trainable, shape }) => trainable && shape[0] === 4)).toBe(true)
    }
    expect([...kerpleLog({ heads: 4 }).tables[0].values]).toEqual([0.25, 0.75, 1.25, 1.75])
  })

  test('parameters out of range stay finite, and clamp() brings them back', () => {
    const values = Float32Array.of(0.5, 1)
    const exponent = Float32Array.of(1, 2)
    const bias = kerplePower({ heads: 2, scale: values, exponent })
    values[0] = -3
    exponent[1] = 7
    const modified = compile(bias.expression)
    expect(modified({ score: 0, head: 0, query: 5, key: 0 })).toBeLessThan(0)
    expect(modified({ score: 0, head: 1, query: 5, key: 0 })).toBe(-25)
    bias.clamp()
    expect([...values, ...exponent]).toEqual([Math.fround(0.01), 1, 1, 2])
  })

  test('refuses what does not fit', () => {
    expect(() => kerpleLog({ heads: 2, scale: [1] })).toThrow(RangeError)
    expect(() => kerpleLog({ heads: 1, rate: [0] })).toThrow(RangeError)
    expect(() => kerplePower({ heads: 1, exponent: [2.5] })).toThrow(RangeError)
    expect(() => kerplePower({ heads: 0 })).toThrow(RangeError)
  })
})

describe('FIRE', () => {
  const heads = 3
  const width = 8
  const weights = {
    inputWeights: fill(1, width),
    inputBiases: fill(2, width),
    outputWeights: fill(3, heads * width),
    outputBiases: fill(4, heads),
  }

  // As mcleish7/arithmetic computes it, a loop in place of a matrix product.
  const reference = (head: number, query: number, key: number, c: number, l: number): number => {
    const relative = Math.log(Math.abs(c * Math.abs(query - key)) + 1)
    const x = relative / (Math.log(Math.abs(c * Math.max(query, Math.abs(l))) + 1) + 1e-6)
    let sum = weights.outputBiases[head]!
    for (let unit = 0; unit < width; unit++) {
      const hidden = Math.max(weights.inputWeights[unit]! * x + weights.inputBiases[unit]!, 0)
      sum += weights.outputWeights[head * width + unit]! * hidden
    }
    return sum
  }

  test('is the network of the progressively normalized distance', () => {
    const modified = compile(fire({ heads, ...weights, stretch: 0.5, threshold: 10 }).expression)
    for (const { query, key } of pairs(30)) {
      const expected = 1 + reference(2, query, key, 0.5, 10)
      expect(modified({ score: 1, head: 2, query, key })).toBeCloseTo(expected, 12)
    }
  })

  test('stays in the trained range: the farthest key of a longer sequence looks the same', () => {
    const modified = compile(fire({ heads, ...weights, threshold: 16 }).expression)
    const farthest = (query: number) => modified({ score: 0, head: 0, query, key: 0 })
    expect(farthest(100000)).toBeCloseTo(farthest(64), 4)
  })

  test('all its numbers are trainable tables', () => {
    const bias = fire({ heads, ...weights })
    expect(new Set(dependencies(bias.expression.node).tables)).toEqual(
      new Set(Object.values(bias.tables)),
    )
    expect(Object.values(bias.tables).every(({ trainable }) => trainable)).toBe(true)
    expect(bias.tables.outputWeights.values).toBe(weights.outputWeights)
  })

  test('refuses what does not fit', () => {
    expect(() => fire({ heads: 2, ...weights })).toThrow(RangeError)
    expect(() => fire({ heads, ...weights, inputWeights: [] })).toThrow(/1 to 256 hidden units/)
    expect(() => fire({ heads, ...weights, threshold: 0 })).toThrow(RangeError)
  })
})

describe('Sandwich', () => {
  test('is the product of sinusoidal embeddings, less in later heads, clamped in distance', () => {
    const heads = 4
    const modified = compile(sandwich({ heads, maxDistance: 40, dim: 16 }).expression)
    for (const { query, key } of pairs(12)) {
      const ratio = (8 * 3) / heads
      expect(modified({ score: 0, head: 2, query, key })).toBeCloseTo(
        product(query, key) / ratio,
        12,
      )
    }
    const at = (key: number) => modified({ score: 0, head: 0, query: 0, key })
    expect(at(1000)).toBe(at(40))
  })

  test.each([{ heads: 0 }, { maxDistance: 0 }, { dim: 3 }, { base: -1 }])('refuses %j', (wrong) => {
    expect(() => sandwich({ heads: 2, maxDistance: 8, ...wrong })).toThrow(RangeError)
  })
})
