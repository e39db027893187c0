// The three kernels of the peer against the CPU reference: a comparison with something wrong or slow
// by mistake would prove nothing.
import { cast, standardAttention, tensor } from '@attn/core'
import type { DType, Tensor } from '@attn/core'
import { causal } from '@attn/masks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { withErrorScopes } from '../src/device/error-scope.ts'
import { bufferBytes, fillNormal } from '../src/inputs/fill-normal.ts'
import { readRanges } from '../src/inputs/read-back.ts'
import { createStandardAttention } from '../src/peers/standard-webgpu/standard-attention.ts'
import type { StandardLimits, StandardShape } from '../src/peers/standard-webgpu/plan.ts'

const gpu = await acquireGpu()

describe.skipIf(!gpu)('standard attention on WebGPU', () => {
  let device: GPUDevice
  beforeAll(async () => {
    const adapter = await gpu!.requestAdapter()
    device = await adapter!.requestDevice()
  })
  afterAll(() => device.destroy())

  const cases: [string, StandardShape][] = [
    ['one tile', { batch: 1, heads: 1, queryLength: 128, keyLength: 128, headDim: 64 }],
    [
      'several tiles and heads',
      { batch: 2, heads: 3, queryLength: 200, keyLength: 264, headDim: 64 },
    ],
    ['causal', { batch: 1, heads: 2, queryLength: 130, keyLength: 130, headDim: 32, causal: true }],
    [
      'causal, fewer queries',
      { batch: 1, heads: 1, queryLength: 5, keyLength: 70, headDim: 64, causal: true },
    ],
    [
      'causal, rows that see nothing',
      { batch: 1, heads: 1, queryLength: 9, keyLength: 4, headDim: 8, causal: true },
    ],
    [
      'lengths not divisible by four',
      { batch: 1, heads: 2, queryLength: 33, keyLength: 67, headDim: 64 },
    ],
    ['one query, one key', { batch: 1, heads: 1, queryLength: 1, keyLength: 1, headDim: 4 }],
    ['a wide head', { batch: 1, heads: 1, queryLength: 40, keyLength: 136, headDim: 128 }],
    [
      'dims between tiles',
      { batch: 1, heads: 1, queryLength: 40, keyLength: 50, headDim: 72, valueDim: 96 },
    ],
    ['a very wide head', { batch: 1, heads: 1, queryLength: 20, keyLength: 20, headDim: 256 }],
    [
      'float16',
      { batch: 1, heads: 2, queryLength: 70, keyLength: 90, headDim: 64, dtype: 'float16' },
    ],
  ]

  test.each(cases)('%s', async (_, shape) => {
    const { output, expected } = await run(device, shape)
    // Scores and probabilities of float16 are stored with 11 bits.
    const tolerance = shape.dtype === 'float16' ? 4e-3 : 2e-6
    expect(largestDifference(output, expected)).toBeLessThan(tolerance)
  })

  test('heads in several buffers give the same as in one', async () => {
    const shape = { batch: 1, heads: 5, queryLength: 64, keyLength: 64, headDim: 16 }
    const twoHeads = 2 * 64 * 64 * 4
    const { output, expected } = await run(device, shape, {
      maxBufferSize: twoHeads,
      maxStorageBufferBindingSize: twoHeads,
      maxComputeWorkgroupsPerDimension: 65535,
    })
    expect(largestDifference(output, expected)).toBeLessThan(2e-6)
  })
})

async function run(
  device: GPUDevice,
  shape: StandardShape,
  limits?: StandardLimits,
): Promise<{ output: Tensor; expected: Tensor }> {
  const { batch, heads, queryLength, keyLength, headDim, valueDim = headDim } = shape
  const dtype: DType = shape.dtype ?? 'float32'
  const shapes = {
    query: [batch, heads, queryLength, headDim],
    key: [batch, heads, keyLength, headDim],
    value: [batch, heads, keyLength, valueDim],
    output: [batch, heads, queryLength, valueDim],
  }
  const count = (axes: readonly number[]): number => axes.reduce((product, size) => product * size)
  const { STORAGE, COPY_SRC } = GPUBufferUsage
  const buffer = (axes: readonly number[]): GPUBuffer =>
    device.createBuffer({ size: bufferBytes(dtype, count(axes)), usage: STORAGE | COPY_SRC })
  const buffers = {
    query: buffer(shapes.query),
    key: buffer(shapes.key),
    value: buffer(shapes.value),
    output: buffer(shapes.output),
  }
  const [output, query, key, value] = await withErrorScopes(device, 'test', async () => {
    await fillNormal(device, buffers.query, dtype, 1)
    await fillNormal(device, buffers.key, dtype, 2)
    await fillNormal(device, buffers.value, dtype, 3)
    const attention = await createStandardAttention(device, shape, buffers, limits)
    const encoder = device.createCommandEncoder()
    attention.encode(encoder)
    device.queue.submit([encoder.finish()])
    const read = async (name: keyof typeof shapes): Promise<Tensor> => {
      const whole = { first: 0, count: count(shapes[name]) }
      const [values] = await readRanges(device, buffers[name], dtype, [whole])
      return tensor(values!, shapes[name])
    }
    const tensors = [
      await read('output'),
      await read('query'),
      await read('key'),
      await read('value'),
    ]
    attention.destroy()
    return tensors as [Tensor, Tensor, Tensor, Tensor]
  })
  for (const owned of Object.values(buffers)) owned.destroy()
  const { output: expected } = standardAttention(
    cast(query, 'float64'),
    key,
    value,
    shape.causal ? { mask: causal() } : {},
  )
  return { output, expected }
}

function largestDifference(actual: Tensor, expected: Tensor): number {
  const differences = Array.from(actual.storage, (value, index) =>
    Math.abs(value - expected.storage[index]!),
  )
  return Math.max(...differences)
}
