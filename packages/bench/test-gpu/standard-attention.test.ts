// The three kernels of the peer against the CPU reference: a comparison with something wrong or slow
// by mistake would prove nothing.
import { cast, standardAttention, standardAttentionBackward, tensor } from '@attn/core'
import type { DType, Tensor } from '@attn/core'
import { causal } from '@attn/masks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { withErrorScopes } from '../src/device/error-scope.ts'
import { bufferBytes, fillNormal } from '../src/inputs/fill-normal.ts'
import { readRanges } from '../src/inputs/read-back.ts'
import { createStandardAttention } from '../src/peers/standard-webgpu/standard-attention.ts'
import { createStandardBackward } from '../src/peers/standard-webgpu/standard-backward.ts'
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
    const results = await run(device, shape)
    // Scores and probabilities of float16 are stored with 11 bits; gradients of a key add up queries.
    const tolerance = shape.dtype === 'float16' ? 4e-3 : 2e-6
    for (const [name, { actual, expected }] of Object.entries(results)) {
      const allowed = name === 'output' ? tolerance : 8 * tolerance
      expect(largestDifference(actual, expected)).toBeLessThan(allowed)
    }
  })

  test('heads in several buffers give the same as in one', async () => {
    const shape = { batch: 1, heads: 5, queryLength: 64, keyLength: 64, headDim: 16 }
    const twoHeads = 2 * 64 * 64 * 4
    const results = await run(device, shape, {
      maxBufferSize: twoHeads,
      maxStorageBufferBindingSize: twoHeads,
      maxComputeWorkgroupsPerDimension: 65535,
    })
    for (const { actual, expected } of Object.values(results)) {
      expect(largestDifference(actual, expected)).toBeLessThan(1e-5)
    }
  })
})

interface Compared {
  readonly actual: Tensor
  readonly expected: Tensor
}

async function run(
  device: GPUDevice,
  shape: StandardShape,
  limits?: StandardLimits,
): Promise<Readonly<Record<string, Compared>>> {
  const { batch, heads, queryLength, keyLength, headDim, valueDim = headDim } = shape
  const dtype: DType = shape.dtype ?? 'float32'
  const queries = [batch, heads, queryLength, headDim]
  const keys = [batch, heads, keyLength, headDim]
  const values = [batch, heads, keyLength, valueDim]
  const outputs = [batch, heads, queryLength, valueDim]
  const shapes = {
    query: queries,
    key: keys,
    value: values,
    output: outputs,
    dOutput: outputs,
    dQuery: queries,
    dKey: keys,
    dValue: values,
  }
  const count = (axes: readonly number[]): number => axes.reduce((product, size) => product * size)
  const { STORAGE, COPY_SRC } = GPUBufferUsage
  const buffers = Object.fromEntries(
    Object.entries(shapes).map(([name, axes]) => [
      name,
      device.createBuffer({ size: bufferBytes(dtype, count(axes)), usage: STORAGE | COPY_SRC }),
    ]),
  ) as Record<keyof typeof shapes, GPUBuffer>
  const found = await withErrorScopes(device, 'test', async () => {
    await fillNormal(device, buffers.query, dtype, 1)
    await fillNormal(device, buffers.key, dtype, 2)
    await fillNormal(device, buffers.value, dtype, 3)
    await fillNormal(device, buffers.dOutput, dtype, 4)
    const forward = await createStandardAttention(device, shape, buffers, limits)
    const backward = await createStandardBackward(device, shape, forward, buffers)
    const encoder = device.createCommandEncoder()
    forward.encode(encoder)
    backward.encode(encoder)
    device.queue.submit([encoder.finish()])
    const read = async (name: keyof typeof shapes): Promise<[string, Tensor]> => {
      const whole = { first: 0, count: count(shapes[name]) }
      const [elements] = await readRanges(device, buffers[name], dtype, [whole])
      return [name, tensor(elements!, shapes[name])]
    }
    const names = Object.keys(shapes) as (keyof typeof shapes)[]
    const tensors = Object.fromEntries(await Promise.all(names.map(read)))
    backward.destroy()
    forward.destroy()
    return tensors as Record<keyof typeof shapes, Tensor>
  })
  for (const owned of Object.values(buffers)) owned.destroy()
  const inputs = [
    cast(found.query, 'float64'),
    cast(found.key, 'float64'),
    cast(found.value, 'float64'),
  ] as const
  const options = shape.causal ? { mask: causal() } : {}
  const forward = standardAttention(...inputs, options)
  const { output } = forward
  const dOutput = cast(found.dOutput, 'float64')
  const gradients = standardAttentionBackward(...inputs, forward, dOutput, options)
  return {
    output: { actual: found.output, expected: output },
    dQuery: { actual: found.dQuery, expected: gradients.dQuery },
    dKey: { actual: found.dKey, expected: gradients.dKey },
    dValue: { actual: found.dValue, expected: gradients.dValue },
  }
}

function largestDifference(actual: Tensor, expected: Tensor): number {
  const differences = Array.from(actual.storage, (value, index) =>
    Math.abs(value - expected.storage[index]!),
  )
  return Math.max(...differences)
}
