// Float16Array, where the engine has one: its memory is a tensor's, bit for bit.
import { describe, expect, test } from 'vitest'
import { checkTensors, flashAttention, tensor, tensorFrom } from '../../src/index.ts'
import type { CpuStorage, HalfPrecisionArray } from '../../src/index.ts'

type HalfConstructor = new (values: readonly number[]) => HalfPrecisionArray
const { Float16Array: Half } = globalThis as { Float16Array?: HalfConstructor }
const values = [1, -2, 0.5, 65504, 0.25, 3, -0.125, 2]

describe.skipIf(!Half)('a Float16Array', () => {
  test('is float16 over the same memory', () => {
    const half = new Half!(values)
    const view = tensor(half, [1, 1, 4, 2])
    expect(view).toEqual(tensorFrom(values, [1, 1, 4, 2], 'float16'))
    expect(view.storage.buffer).toBe(half.buffer)
    const part = new Half!([9, ...values]) as HalfPrecisionArray & {
      subarray(from: number): HalfPrecisionArray
    }
    expect(tensor(part.subarray(1), [8]).storage).toEqual(view.storage)
    expect(() => tensor(half, [9])).toThrow('the storage holds 8')
  })

  test('is attended to, and is a list of numbers', () => {
    const half = tensor(new Half!(values), [1, 1, 4, 2])
    const bits = tensorFrom(values, [1, 1, 4, 2], 'float16')
    const sinks = new Half!([0.5]) as unknown as ArrayLike<number>
    expect(flashAttention(half, half, half, { sinks })).toEqual(
      flashAttention(bits, bits, bits, { sinks: [0.5] }),
    )
  })

  test('as the storage of a tensor made by hand says what makes one', () => {
    const storage = new Half!(values) as unknown as CpuStorage
    const byHand = { ...tensorFrom(values, [8], 'float16'), storage }
    expect(() => checkTensors('sum', { x: byHand })).toThrow(
      'sum: x is float16, so its storage must be a Uint16Array, got a Float16Array; tensor(values, shape) takes one',
    )
  })
})
