import { permute, tensorFrom, toFloat64Array } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { learnedPositions, learnedPositionsBackward, sinusoidal } from '../src/index.ts'
import { fill } from './golden.ts'

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, index) => sum + value * b[index]!, 0)

describe('sinusoidal', () => {
  test('interleaved: sine in even elements, cosine in odd, of m / 10000^(2i / d)', () => {
    const { storage, shape } = sinusoidal({ dim: 6, positions: [0, 5, 1234], dtype: 'float64' })
    expect(shape).toEqual([3, 6])
    const expected = [0, 5, 1234].flatMap((m) =>
      [0, 2, 4].flatMap((i) => [Math.sin(m / 10000 ** (i / 6)), Math.cos(m / 10000 ** (i / 6))]),
    )
    expected.forEach((value, index) => expect(storage[index]).toBeCloseTo(value, 12))
  })

  test('concatenated holds the same numbers, sines first', () => {
    const interleaved = sinusoidal({ dim: 6, positions: 4, dtype: 'float64' }).storage
    const concatenated = sinusoidal({
      dim: 6,
      positions: 4,
      dtype: 'float64',
      layout: 'concatenated',
    })
    const expected = interleaved.map(
      (_, index) => interleaved[index - (index % 6) + [0, 2, 4, 1, 3, 5][index % 6]!]!,
    )
    expect(concatenated.storage).toEqual(expected)
  })

  test('tensor2tensor’s spacing reaches the base itself', () => {
    const table = sinusoidal({ dim: 6, positions: [1], spacing: 'tensor2tensor', dtype: 'float64' })
    expect(table.storage[4]).toBeCloseTo(Math.sin(1 / 10000), 15)
    const paper = sinusoidal({ dim: 6, positions: [1], dtype: 'float64' })
    expect(paper.storage[4]).toBeCloseTo(Math.sin(1 / 10000 ** (4 / 6)), 15)
  })

  test.each([{ dim: 5 }, { positions: -1 }, { base: 0 }, { layout: 'mixed' }, { spacing: 'wide' }])(
    'refuses %j',
    (wrong) => {
      const options = { dim: 4, positions: 2, ...wrong } as Parameters<typeof sinusoidal>[0]
      expect(() => sinusoidal(options)).toThrow(RangeError)
    },
  )
})

describe('learned table', () => {
  const table = tensorFrom(fill(1, 12), [4, 3], 'float64')

  test('gathers rows, from any strides', () => {
    const transposed = permute(
      tensorFrom(toFloat64Array(permute(table, [1, 0])), [3, 4], 'float64'),
      [1, 0],
    )
    for (const view of [table, transposed]) {
      const rows = learnedPositions(view, [3, 0, 3])
      const expected = [9, 10, 11, 0, 1, 2, 9, 10, 11].map((index) => table.storage[index]!)
      expect([...rows.storage]).toEqual(expected)
    }
  })

  test('backward is the adjoint, repeated positions add up', () => {
    const positions = [1, 3, 1, 2]
    const gradient = tensorFrom(fill(2, 12), [4, 3], 'float64')
    expect(dot(learnedPositions(table, positions).storage, gradient.storage)).toBeCloseTo(
      dot(table.storage, learnedPositionsBackward(gradient, positions, 4).storage),
      12,
    )
  })

  test('has nothing past its last row, unless told to repeat it', () => {
    expect(() => learnedPositions(table, [4])).toThrow(
      /the table has 4 rows, got position 4; a learned table ends at its training length/,
    )
    const clamped = learnedPositions(table, [7], { outOfRange: 'clamp' })
    expect(clamped.storage).toEqual(table.storage.slice(9))
    expect(() => learnedPositions(table, [-1], { outOfRange: 'clamp' })).toThrow(RangeError)
    expect(() => learnedPositionsBackward(table, [0], 4)).toThrow(RangeError)
  })
})
