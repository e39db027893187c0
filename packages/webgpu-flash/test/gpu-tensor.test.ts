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
      new TypeError('gpuTensor: buffer must be a GPUBuffer, got object'),
    )
    expect(() => gpuTensor(buffer, [4], { dtype: 'float64' as 'float32' })).toThrow(TypeError)
  })
})
