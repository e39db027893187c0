// Where standard attention keeps its scores, without a GPU.
import { UnsupportedError } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { layOutScores, scoreBytes } from '../src/peers/standard-webgpu/plan.ts'

const shape = { batch: 1, heads: 16, queryLength: 4096, keyLength: 4096, headDim: 64 }
const limits = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxComputeWorkgroupsPerDimension: 65535,
}

test('scores take B*H*L*S elements, rows padded to four', () => {
  expect(scoreBytes(shape)).toBe(16 * 4096 * 4096 * 4)
  expect(scoreBytes({ ...shape, dtype: 'float16' })).toBe(16 * 4096 * 4096 * 2)
  expect(scoreBytes({ ...shape, batch: 2, heads: 1, queryLength: 3, keyLength: 5 })).toBe(
    2 * 3 * 8 * 4,
  )
})

describe('layOutScores', () => {
  test('puts whole heads into as few buffers as the binding limit allows', () => {
    const { chunks, bytes } = layOutScores({ ...shape, heads: 5 }, limits)
    expect(chunks).toEqual([
      { firstHead: 0, heads: 2, bytes: 2 ** 27 },
      { firstHead: 2, heads: 2, bytes: 2 ** 27 },
      { firstHead: 4, heads: 1, bytes: 2 ** 26 },
    ])
    expect(bytes).toBe(5 * 2 ** 26)
  })

  test('makes them even', () => {
    const { chunks } = layOutScores(shape, {
      ...limits,
      maxStorageBufferBindingSize: 7 * 2 ** 26,
      maxBufferSize: 2 ** 30,
    })
    expect(chunks.map(({ heads }) => heads)).toEqual([6, 6, 4])
  })

  test('refuses what no binding can hold, naming the limit', () => {
    const long = { ...shape, queryLength: 8192, keyLength: 8192 }
    expect(() => layOutScores(long, limits)).toThrow(UnsupportedError)
    expect(() => layOutScores(long, limits)).toThrow(
      "standardAttention: one head's scores needs 268435456 bytes, but this device binds 134217728",
    )
    const wide = { ...shape, heads: 4096, queryLength: 256, keyLength: 256, headDim: 256 }
    expect(() => layOutScores(wide, limits)).toThrow('standardAttention: an input needs')
    const tall = { ...shape, heads: 1, queryLength: 65536, keyLength: 4 }
    expect(() => layOutScores(tall, limits)).toThrow('maxComputeWorkgroupsPerDimension 65535')
  })

  test.each([
    [{ heads: 0 }, 'standardAttention: heads must be a positive integer, got 0'],
    [{ headDim: 6 }, 'standardAttention: headDim must be a multiple of four, got 6'],
    [{ valueDim: 10 }, 'standardAttention: valueDim must be a multiple of four, got 10'],
  ])('refuses %o', (change, message) => {
    expect(() => layOutScores({ ...shape, ...change }, limits)).toThrow(message)
  })
})
