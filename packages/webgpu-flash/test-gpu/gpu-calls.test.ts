// One call with tensors of another library's: what they hold stays on the GPU, and is what the same call
// of CPU tensors computes.
import { floatTable, mask, scoreModifier, tensorFrom } from '@attn/core'
import type { Tensor } from '@attn/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention, gpuTensor } from '../src/index.ts'
import type { FlashAttention, GpuTensor } from '../src/index.ts'

const gpu = await acquireGpu()
const [batch, length, heads, dim] = [2, 5, 3, 4]
const causal = mask('causal', ({ query, key }) => key.le(query))

/** `[B, L, H * D]` as a model has it before it splits heads, on either side. */
const values = (seed: number): Float32Array =>
  Float32Array.from({ length: batch * length * heads * dim }, (_, index) => Math.sin(index * seed))
const onCpu = (seed: number): Tensor => ({
  ...tensorFrom(values(seed), [batch, length, heads, dim]),
  shape: [batch, heads, length, dim],
  strides: [length * heads * dim, dim, heads * dim, 1],
})

describe.skipIf(!gpu)('calls with GPU tensors', () => {
  let flash: FlashAttention
  let device: GPUDevice
  beforeAll(async () => {
    const adapter = await gpu!.requestAdapter()
    device = await adapter!.requestDevice()
    flash = await createFlashAttention({ device: Promise.resolve(device) })
  })
  afterAll(() => {
    flash.destroy()
    device.destroy()
  })

  /** The same behind 64 other bytes of a buffer that is not the library's. */
  function onGpu(seed: number): GpuTensor {
    const bytes = values(seed)
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST
    const buffer = device.createBuffer({ size: 64 + bytes.byteLength, usage })
    device.queue.writeBuffer(buffer, 64, bytes)
    return gpuTensor({ buffer, offset: 64 }, [batch, length, heads * dim], { heads })
  }

  test('give what CPU tensors do, forward and backward', async () => {
    const table = floatTable('slope', [0.5, -0.25, 1], [3], { trainable: true })
    const slope = scoreModifier('slope', (score, { head }) => score.add(table.at(head)))
    const options = { mask: causal, scoreModifiers: [slope] }
    const [q, k, v] = [onCpu(1), onCpu(2), onCpu(3)] as const
    const expected = await flash.attention(q, k, v, options)
    const gradients = await flash.attentionBackward(q, k, v, expected, onCpu(4), options)

    const [query, key, value] = [onGpu(1), onGpu(2), onGpu(3)] as const
    const result = await flash.attention(query, key, value, options)
    expect(await flash.download(result.output)).toEqual(expected.output)
    expect(await flash.download(result.logSumExp)).toEqual(expected.logSumExp)
    const own = await flash.attentionBackward(query, key, value, result, onGpu(4), options)
    expect(await flash.download(own.dKey)).toEqual(gradients.dKey)
    expect(await flash.download(own.dQuery)).toEqual(gradients.dQuery)
    const dTable = await flash.download(own.dTables.get(table.table)!)
    expect(Array.from(dTable.storage)).toEqual(Array.from(gradients.dTables.get(table.table)!))
  })

  test('keep nothing but their results', async () => {
    const before = flash.memory.allocatedBytes
    const x = onGpu(1)
    const { output, logSumExp } = await flash.attention(x, x, x)
    await flash.finished()
    expect(flash.memory.allocatedBytes).toBeGreaterThan(before)
    flash.release(output, logSumExp)
    expect(flash.memory.allocatedBytes).toBe(before)
  })

  test('say what to call where tensors are here and there', async () => {
    const [here, there] = [onCpu(1), onGpu(1)]
    const mixed = flash.attention(there, here as never, there)
    await expect(mixed).rejects.toThrow(
      new TypeError(
        'flash.attention: query is on the GPU and key is not; flash.upload puts it there, and gpuTensor makes a tensor of a GPUBuffer',
      ),
    )
    const { output, logSumExp } = await flash.attention(there, there, there)
    const half = { output, logSumExp }
    await expect(flash.attentionBackward(there, there, there, half, here as never)).rejects.toThrow(
      'flash.attentionBackward: query is on the GPU and dOutput is not',
    )
    const wrong = { ...there, dtype: 'float16' as const }
    await expect(flash.attention(there, wrong, there)).rejects.toThrow(TypeError)
  })

  test('64-bit integers are lengths, offsets and positions', async () => {
    const x = flash.upload(onCpu(1))
    const sizes = { batch, heads, queryLength: length, keyLength: length, headDim: dim }
    const plan = flash.plan({ ...sizes, lengths: 'call' })
    const inputs = { query: x, key: x, value: x }
    const long = plan.forward({ ...inputs, keyLengths: BigInt64Array.of(2n, 5n), queryOffset: 0 })
    const short = plan.forward({ ...inputs, keyLengths: [2, 5], queryOffset: 0 })
    expect(await flash.download(long.output)).toEqual(await flash.download(short.output))
    plan.destroy()
    const rotary = {
      inverseFrequencies: [1, 0.1],
      attentionFactor: 1,
      layout: 'half',
      rotaryDim: 4,
    } as const
    const positions = [4, 3, 2, 1, 0]
    const turned = flash.rotate(x, rotary, { positions: BigInt64Array.from(positions, BigInt) })
    const same = flash.rotate(x, rotary, { positions })
    expect(await flash.download(turned)).toEqual(await flash.download(same))
    const cache = flash.cache({ batch, kvHeads: heads, headDim: dim, capacity: 8 })
    cache.append({ key: x, value: x, counts: BigInt64Array.of(2n, 5n) })
    cache.truncate(BigInt64Array.of(1n, 4n))
    expect(cache.lengths).toEqual([1, 4])
  })
})
