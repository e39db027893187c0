import { tensorFrom, toFloat64Array } from '@attn/core'
import type { Tensor } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rotate, rotateXPos, rotateXPosBackward, ropeFrequencies } from '../src/index.ts'
import { fill } from './golden.ts'

const d = 8
const rotary = ropeFrequencies({ headDim: d })
const vector = (seed: number): Tensor => tensorFrom(fill(seed, d), [1, 1, 1, d], 'float64')
const dot = (left: Tensor, right: Tensor): number => {
  const b = toFloat64Array(right)
  return toFloat64Array(left).reduce((sum, value, index) => sum + value * b[index]!, 0)
}
const position = fc.integer({ min: 0, max: 3000 })

describe('xPos', () => {
  test('a score is that of RoPE with pair j weighed by s_j^((m - n) / 512)', () => {
    fc.assert(
      fc.property(position, position, position, (m, n, center) => {
        const query = rotate(vector(1), rotary, { positions: m })
        const key = toFloat64Array(rotate(vector(2), rotary, { positions: n }))
        const weighed = toFloat64Array(query).map((value, element) => {
          const pair = element % (d / 2)
          const s = (2 * pair + 0.4 * d) / (1.4 * d)
          return value * key[element]! * s ** ((m - n) / 512)
        })
        const score = dot(
          rotateXPos(vector(1), rotary, { side: 'query', positions: m, center }),
          rotateXPos(vector(2), rotary, { side: 'key', positions: n, center }),
        )
        const expected = weighed.reduce((sum, value) => sum + value, 0)
        const size = weighed.reduce((sum, value) => sum + Math.abs(value), 0)
        expect(Math.abs(score - expected)).toBeLessThan(1e-10 * size)
      }),
    )
  })

  test('backward is the adjoint', () => {
    fc.assert(
      fc.property(position, fc.constantFrom('query' as const, 'key' as const), (m, side) => {
        const options = { side, positions: m }
        const left = dot(rotateXPos(vector(3), rotary, options), vector(4))
        const right = dot(vector(3), rotateXPosBackward(vector(4), rotary, options))
        expect(Math.abs(left - right)).toBeLessThan(1e-12 * Math.exp(m / 200))
      }),
    )
  })

  test('says where the factors leave the range of the dtype, before computing anything', () => {
    const half = tensorFrom(fill(1, d), [1, 1, 1, d], 'float16')
    const options = { side: 'key', positions: 6000 } as const
    expect(() => rotateXPos(half, rotary, options)).toThrow(
      /float16 holds the factors up to 4532 positions from center 0, got position 6000/,
    )
    expect(rotateXPos(half, rotary, { ...options, center: 5000 }).dtype).toBe('float16')
    expect(() => rotateXPos(vector(1), rotary, { side: 'both' as 'key' })).toThrow(RangeError)
    expect(() => rotateXPos(vector(1), rotary, { side: 'key', scaleBase: 0 })).toThrow(RangeError)
  })
})
