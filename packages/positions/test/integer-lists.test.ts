// Positions as 64-bit integers: what ONNX models call position_ids.
import { tensorFrom } from '@attn/core'
import { expect, test } from 'vitest'
import {
  rotate,
  learnedPositions,
  ropeFrequencies,
  rotaryTables,
  sinusoidal,
} from '../src/index.ts'

const numbers = [5, 0, 3]
const long = BigInt64Array.from(numbers, BigInt)

test('are positions like any', () => {
  const table = tensorFrom([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [6, 2])
  expect(learnedPositions(table, long)).toEqual(learnedPositions(table, numbers))
  expect(sinusoidal({ dim: 4, positions: long })).toEqual(
    sinusoidal({ dim: 4, positions: numbers }),
  )
  const rotary = ropeFrequencies({ headDim: 4 })
  expect(rotaryTables(rotary, long)).toEqual(rotaryTables(rotary, numbers))
  const x = tensorFrom(
    Array.from({ length: 12 }, (_, index) => index),
    [1, 1, 3, 4],
  )
  expect(rotate(x, rotary, { positions: long })).toEqual(rotate(x, rotary, { positions: numbers }))
  expect(() => learnedPositions(table, BigInt64Array.of(6n))).toThrow('got position 6')
})
