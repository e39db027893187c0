import { describe, expect, it } from 'vitest'
import { gpuTensor } from '../src/index.ts'

const buffer = { size: 256, usage: 0x80 } as GPUBuffer

describe('gpuTensor', () => {
  it('is row-major float32 unless told otherwise', () => {
    expect(gpuTensor(buffer, [1, 2, 4, 8])).toEqual({
      dtype: 'float32',
      shape: [1, 2, 4, 8],
      strides: [64, 32, 8, 1],
      offset: 0,
      storage: buffer,
    })
    const view = gpuTensor(buffer, [2, 4], { dtype: 'float16', strides: [-4, 1], offset: 124 })
    expect(view).toMatchObject({ dtype: 'float16', strides: [-4, 1], offset: 124 })
  })

  it.each([
    [[65], {}, 'gpuTensor: elements 0 to 64 of float32 leave the buffer of 256 bytes'],
    [[128], { dtype: 'float16', offset: 1 }, 'elements 1 to 128 of float16 leave the buffer'],
    [[2, 4], { strides: [-4, 1] }, 'elements -4 to 3'],
    [[2, 4], { strides: [1] }, 'need a whole stride for each of 2 axes and a whole offset'],
    [[2, 4], { offset: 0.5 }, 'got strides [4, 1] and offset 0.5'],
    [[2.5], {}, 'gpuTensor: shape must be whole numbers, got [2.5]'],
    [[-1], {}, 'gpuTensor: shape must be whole numbers, got [-1]'],
  ] as const)('refuses shape %j with %j', (shape, options, message) => {
    const make = (): unknown => gpuTensor(buffer, shape, options)
    expect(make).toThrow(RangeError)
    expect(make).toThrow(message)
  })

  it('refuses other things than buffers and dtypes', () => {
    const wrong = new Float32Array(4) as unknown as GPUBuffer
    expect(() => gpuTensor(wrong, [4])).toThrow(
      new TypeError(
        'gpuTensor: buffer must be a GPUBuffer or { buffer, offset, size }, got object',
      ),
    )
    expect(() => gpuTensor(buffer, [4], { dtype: 'float64' as 'float32' })).toThrow(TypeError)
  })

  it('is of the part of a buffer that is bound', () => {
    const part = { buffer, offset: 64, size: 128 }
    expect(gpuTensor(part, [2, 16])).toMatchObject({ offset: 16, storage: buffer })
    expect(gpuTensor(part, [4], { dtype: 'float16', offset: 3 })).toMatchObject({ offset: 35 })
    expect(gpuTensor({ buffer, offset: 64 }, [48])).toMatchObject({ offset: 16 })
    expect(() => gpuTensor(part, [33])).toThrow(
      'elements 0 to 32 of float32 leave the buffer of 128 bytes',
    )
    expect(() => gpuTensor({ buffer, offset: 6 }, [4])).toThrow(
      'must be a whole number of 4-byte elements, got 6 bytes',
    )
    expect(() => gpuTensor({ buffer, offset: 256, size: 4 }, [1])).toThrow(
      new RangeError('gpuTensor: bytes 256 to 260 leave the buffer of 256 bytes'),
    )
  })

  it('splits heads that lie side by side', () => {
    expect(gpuTensor(buffer, [2, 4, 6], { heads: 3 })).toEqual({
      ...gpuTensor(buffer, [2, 3, 4, 2], { strides: [24, 2, 6, 1] }),
    })
    expect(
      gpuTensor({ buffer, offset: 8 }, [1, 4, 6], { heads: 2, strides: [0, 12, 1] }),
    ).toMatchObject({
      shape: [1, 2, 4, 3],
      strides: [0, 3, 12, 1],
      offset: 2,
    })
    for (const [shape, heads] of [
      [[2, 4, 6], 4],
      [[4, 6], 2],
      [[2, 4, 6], 0],
    ] as const) {
      expect(() => gpuTensor(buffer, shape, { heads })).toThrow(
        `gpuTensor: heads are those of a shape [batch, length, heads * dim], got heads=${heads}`,
      )
    }
  })
})
