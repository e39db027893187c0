import { permute, slice, tensorFrom, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  rotaryTables,
  rotate,
  rotateBackward,
  rotationBetween,
  ropeFrequencies,
} from '../src/index.ts'
import type { RopeConfig, RopeFrequencies } from '../src/index.ts'
import { fill, goldenApplications } from './golden.ts'

const double = (seed: number, shape: readonly number[]): Tensor =>
  tensorFrom(
    fill(
      seed,
      shape.reduce((a, b) => a * b, 1),
    ),
    shape,
    'float64',
  )

const part = (whole: Tensor, from: number, to: number): Tensor => slice(whole, 3, from, to)

const squaredNorm = (view: Tensor): number => dot(view, view)

const dot = (left: Tensor, right: Tensor): number => {
  const b = toFloat64Array(right)
  return toFloat64Array(left).reduce((sum, value, index) => sum + value * b[index]!, 0)
}

describe('golden applications', () => {
  test.each(goldenApplications)('$layout layout', (golden) => {
    const rotary = ropeFrequencies({ headDim: 16, base: golden.base, layout: golden.layout })
    const check = (seed: number, expected: readonly number[]) => {
      const result = rotate(double(seed, golden.shape), rotary, { positions: golden.positions })
      const [, , length, dim] = golden.shape as [number, number, number, number]
      toFloat64Array(result).forEach((value, index) => {
        const position = golden.positions[Math.floor(index / dim) % length]!
        const element = index % dim
        const pair = golden.layout === 'half' ? element % (dim / 2) : Math.floor(element / 2)
        // The golden side computed frequency, angle, cosine and product in float32. Its angle is off
        // by a few roundings of its own size, and every element turns by that much.
        const angle = position * rotary.inverseFrequencies[pair]!
        const tolerance = 2 ** -23 * (2 + 2 * angle) * Math.SQRT2
        expect(Math.abs(value - expected[index]!)).toBeLessThan(tolerance)
      })
    }
    check(golden.seedQ, golden.q)
    if (golden.k) check(golden.seedK!, golden.k)
  })
})

const rotaries = fc
  .record({
    pairs: fc.integer({ min: 2, max: 6 }),
    rest: fc.integer({ min: 0, max: 3 }),
    base: fc.double({ min: 2, max: 1e6, noNaN: true }),
    layout: fc.constantFrom('half' as const, 'interleaved' as const),
  })
  .map(({ pairs, rest, base, layout }) => ({
    headDim: 2 * pairs + rest,
    rotaryDim: 2 * pairs,
    base,
    layout,
  }))
const position = fc.integer({ min: -5000, max: 5000 })

describe('properties', () => {
  test('scores depend on the distance only', () => {
    fc.assert(
      fc.property(rotaries, position, position, position, (config, m, n, shift) => {
        const rotary = ropeFrequencies(config)
        const query = double(1, [1, 1, 1, config.headDim])
        const key = double(2, [1, 1, 1, config.headDim])
        const score = (at: number, from: number) =>
          dot(rotate(query, rotary, { positions: at }), rotate(key, rotary, { positions: from }))
        expect(score(m + shift, n + shift)).toBeCloseTo(score(m, n), 10)
      }),
    )
  })

  test('interpolation at m’ is RoPE at m’ L / L’', () => {
    fc.assert(
      fc.property(
        rotaries,
        position,
        fc.double({ min: 1, max: 64, noNaN: true }),
        (shape, m, factor) => {
          const view = double(3, [1, 2, 1, shape.headDim])
          const interpolated = rotate(view, ropeFrequencies({ ...shape, type: 'linear', factor }), {
            positions: m,
          })
          const plain = rotate(view, ropeFrequencies(shape), { positions: m / factor })
          const expected = toFloat64Array(plain)
          toFloat64Array(interpolated).forEach((value, index) =>
            expect(value).toBeCloseTo(expected[index]!, 10),
          )
        },
      ),
    )
  })

  test('norms stay, or grow by the attention factor', () => {
    fc.assert(
      fc.property(
        rotaries,
        position,
        fc.double({ min: 0.5, max: 2, noNaN: true }),
        (config, m, factor) => {
          const { headDim, rotaryDim } = config
          const view = double(4, [1, 1, 1, headDim])
          const turned = rotate(
            view,
            { ...ropeFrequencies(config), attentionFactor: factor },
            { positions: m },
          )
          expect(squaredNorm(part(turned, 0, rotaryDim))).toBeCloseTo(
            squaredNorm(part(view, 0, rotaryDim)) * factor ** 2,
            11,
          )
          expect(toFloat64Array(part(turned, rotaryDim, headDim))).toEqual(
            toFloat64Array(part(view, rotaryDim, headDim)),
          )
        },
      ),
    )
  })

  test('backward is the adjoint, and the inverse where the attention factor is 1', () => {
    fc.assert(
      fc.property(
        rotaries,
        position,
        fc.double({ min: 0.5, max: 2, noNaN: true }),
        (config, m, factor) => {
          const shape = [2, 2, 3, config.headDim]
          const x = double(5, shape)
          const y = double(6, shape)
          const scaled: RopeFrequencies = { ...ropeFrequencies(config), attentionFactor: factor }
          expect(dot(rotate(x, scaled, { positions: m }), y)).toBeCloseTo(
            dot(x, rotateBackward(y, scaled, { positions: m })),
            10,
          )
          const plain = { ...scaled, attentionFactor: 1 }
          const back = rotateBackward(rotate(x, plain, { positions: m }), plain, { positions: m })
          const expected = toFloat64Array(x)
          toFloat64Array(back).forEach((value, index) =>
            expect(value).toBeCloseTo(expected[index]!, 12),
          )
        },
      ),
    )
  })

  test('the layouts differ by a fixed permutation of the elements', () => {
    const d = 12
    const toHalf = Array.from({ length: d }, (_, element) =>
      element < d / 2 ? 2 * element : 2 * (element - d / 2) + 1,
    )
    const interleaved = double(7, [1, 2, 5, d])
    const shuffle = (view: Tensor): Float64Array => {
      const values = toFloat64Array(view)
      return values.map((_, index) => values[index - (index % d) + toHalf[index % d]!]!)
    }
    const half = tensorFrom(shuffle(interleaved), interleaved.shape, 'float64')
    const rotated = rotate(interleaved, ropeFrequencies({ headDim: d, layout: 'interleaved' }))
    expect(toFloat64Array(rotate(half, ropeFrequencies({ headDim: d, layout: 'half' })))).toEqual(
      shuffle(rotated),
    )
  })
})

describe('tensors and positions', () => {
  const rotary = ropeFrequencies({ headDim: 8 })

  test('any strides: a [batch, length, heads, dim] view gives the same as its copy', () => {
    const lengthFirst = double(8, [2, 5, 3, 8])
    const view = permute(lengthFirst, [0, 2, 1, 3])
    const copy = tensorFrom(toFloat64Array(view), view.shape, 'float64')
    const result = rotate(view, rotary)
    expect(result.strides).toEqual([120, 40, 8, 1])
    expect(result.storage).toEqual(rotate(copy, rotary).storage)
  })

  test.each(['float32', 'float16'] as const)('%s in, %s out, rounded once', (dtype) => {
    const exact = double(9, [1, 2, 4, 8])
    const rounded = tensorFrom(toFloat64Array(exact), exact.shape, dtype)
    const result = rotate(rounded, rotary)
    expect(result.dtype).toBe(dtype)
    const reference = rotate(tensorFrom(toFloat64Array(rounded), exact.shape, 'float64'), rotary)
    const expected = tensorFrom(toFloat64Array(reference), exact.shape, dtype)
    expect(result.storage).toEqual(expected.storage)
  })

  test('an offset, positions a row and positions a sequence agree', () => {
    const view = double(10, [2, 1, 3, 8])
    const byOffset = rotate(view, rotary, { positions: 4 }).storage
    expect(rotate(view, rotary, { positions: [4, 5, 6] }).storage).toEqual(byOffset)
    expect(rotate(view, rotary, { positions: [4, 5, 6, 4, 5, 6] }).storage).toEqual(byOffset)
    const apart = rotate(view, rotary, { positions: [4, 5, 6, 0, 1, 2] })
    expect(toFloat64Array(slice(apart, 0, 0, 1))).toEqual(
      toFloat64Array(slice({ ...apart, storage: byOffset }, 0, 0, 1)),
    )
    expect(toFloat64Array(slice(apart, 0, 1, 2))).toEqual(
      toFloat64Array(slice(rotate(view, rotary), 0, 1, 2)),
    )
  })

  test('refuses what does not fit', () => {
    const view = double(11, [2, 1, 3, 8])
    expect(() => rotate(view, rotary, { positions: [1, 2] })).toThrow(
      'rotate: positions must be an offset, or length = 3 or batch * length = 6 numbers, got 2',
    )
    expect(() => rotate(view, rotary, { positions: [1, 2, Number.NaN] })).toThrow(RangeError)
    expect(() => rotate(view, ropeFrequencies({ headDim: 16 }))).toThrow(
      'rotate: rotaryDim must be at most the head’s 8, got 16'.replace('’', "'"),
    )
    expect(() => rotateBackward(double(12, [3, 8]), rotary)).toThrow(
      'rotateBackward: need shape [batch, heads, length, dim], got [3, 8]',
    )
    expect(() => rotate(view, { ...rotary, inverseFrequencies: [1] })).toThrow(RangeError)
    expect(() => rotate(view, { ...rotary, layout: 'pairs' as 'half' })).toThrow(RangeError)
  })
})

describe('cached keys', () => {
  const configs: RopeConfig[] = [
    { type: 'dynamic', headDim: 8, factor: 2, trainedLength: 16 },
    {
      type: 'longrope',
      headDim: 8,
      factor: 2,
      trainedLength: 16,
      shortFactor: [1, 1, 1, 1],
      longFactor: [1, 1.5, 2, 3],
    },
  ]

  test.each(configs)(
    '$type: keys rotated early are wrong later, and can be turned right',
    (config) => {
      const keys = double(13, [1, 2, 16, 8])
      const early = ropeFrequencies(config, { sequenceLength: 16 })
      const late = ropeFrequencies(config, { sequenceLength: 40 })
      const stale = rotate(keys, early)
      const right = toFloat64Array(rotate(keys, late))
      const error = (view: Tensor) =>
        Math.max(...toFloat64Array(view).map((value, index) => Math.abs(value - right[index]!)))
      expect(error(stale)).toBeGreaterThan(0.1)
      expect(error(rotate(stale, rotationBetween(early, late)))).toBeLessThan(1e-14)
    },
  )

  test('refuses to go from one layout to another', () => {
    expect(() =>
      rotationBetween(
        ropeFrequencies({ headDim: 8 }),
        ropeFrequencies({ headDim: 8, layout: 'interleaved' }),
      ),
    ).toThrow(RangeError)
  })
})

describe('tables', () => {
  test.each(['half', 'interleaved'] as const)(
    '%s: element columns multiply as Hugging Face does',
    (layout) => {
      const rotary = { ...ropeFrequencies({ headDim: 8, layout }), attentionFactor: 1.25 }
      const view = double(14, [1, 1, 6, 8])
      const { cos, sin, width } = rotaryTables(rotary, 6, { columns: 'elements' })
      const x = toFloat64Array(view)
      const partner = (element: number): [number, number] =>
        layout === 'half'
          ? element < 4
            ? [element + 4, -1]
            : [element - 4, 1]
          : element % 2 === 0
            ? [element + 1, -1]
            : [element - 1, 1]
      const expected = toFloat64Array(rotate(view, rotary))
      expect(width).toBe(8)
      x.forEach((value, index) => {
        const row = index - (index % 8)
        const [other, sign] = partner(index % 8)
        const turned = value * cos[index]! + sign * x[row + other]! * sin[index]!
        expect(turned).toBeCloseTo(expected[index]!, 6)
      })
    },
  )

  test('pair columns at explicit positions', () => {
    const { cos, sin, width, length } = rotaryTables(ropeFrequencies({ headDim: 4 }), [0, 70000])
    expect([width, length]).toEqual([2, 2])
    expect([...cos]).toEqual([1, 1, Math.fround(Math.cos(70000)), Math.fround(Math.cos(700))])
    expect([...sin]).toEqual([0, 0, Math.fround(Math.sin(70000)), Math.fround(Math.sin(700))])
  })
})
