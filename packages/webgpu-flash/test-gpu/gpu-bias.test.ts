// Biases that lie in GPU buffers: against the same numbers from the CPU, forward, backward, in the decode
// kernel and in attention weights, in every layout and type, and one plan for several of them.
import { afterAll, describe, expect, test } from 'vitest'
import {
  biasFromTensor,
  mask,
  permute,
  softcap,
  standardAttention,
  toFloat64Array,
} from '@attn/core'
import type { ScoreModifier, Tensor } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import { biasFromGpuTensor } from '../src/index.ts'
import type { FlashAttention, GpuTensor } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { gpuBiasCases, gpuBiasProblems } from './gpu-bias-cases.ts'

const gpu = await acquireGpu()
const causal = mask('causal', ({ query, key }) => key.le(query))

describe.skipIf(!gpu).each(deviceKinds(gpu))('biases on the GPU, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  const [batch, heads, length, dim] = [2, 3, 33, 8]
  const shape = [batch, heads, length, dim]
  const inputs = [1, 2, 3].map((seed) => fill(seed, shape, 2)) as [Tensor, Tensor, Tensor]
  const sizes = { batch, heads, queryLength: length, headDim: dim }

  const onDevice = async <T>(
    tensors: readonly Tensor[],
    use: (flash: FlashAttention, ...uploaded: GpuTensor[]) => Promise<T>,
  ): Promise<T> => {
    const flash = await library()
    const uploaded = tensors.map((each) => flash.upload(each))
    try {
      return await use(flash, ...uploaded)
    } finally {
      flash.release(...uploaded)
    }
  }
  const expected = (modifier: ScoreModifier): Float64Array =>
    toFloat64Array(
      standardAttention(...inputs, { scoreModifiers: [modifier, softcap(4)], mask: causal }).output,
    )

  // The others differ in numbers alone; `pnpm conformance` runs them all.
  test.each(gpuBiasCases.slice(1, 4))('output and gradients, $name', async (each) => {
    expect(await gpuBiasProblems(await library(), each)).toEqual([])
  })

  test('a view of another layout, with -Infinity where it hides', async () => {
    const values = fill(8, [2, 33, 33, 3], 2)
    values.storage.forEach((value, i) => {
      if (value > 1.2) values.storage[i] = -Infinity
    })
    await onDevice([...inputs, values], async (flash, query, key, value, source) => {
      const plan = flash.plan({
        ...sizes,
        scoreModifiers: [biasFromGpuTensor(permute(source, [0, 3, 1, 2])), softcap(4)],
      })
      const { output, logSumExp } = plan.forward({ query: query, key: key, value: value })
      const turned = toFloat64Array(permute(values, [0, 3, 1, 2]))
      const got = await flash.download(output)
      const same = biasFromTensor(turned, [2, 3, 33, 33])
      const exact = standardAttention(...inputs, { scoreModifiers: [same, softcap(4)] }).output
      expect(largestError(got.storage, toFloat64Array(exact))).toBeLessThan(2e-5)
      flash.release(output, logSumExp)
      plan.destroy()
    })
  })

  test('what is written to the buffer counts, and a call may name another one', async () => {
    const biases = [fill(9, [1, 3, 33, 33], 2), fill(10, [1, 3, 33, 33], 2)]
    await onDevice([...inputs, ...biases], async (flash, query, key, value, first, second) => {
      const bias = biasFromGpuTensor(first, { name: 'pairs' })
      const plan = flash.plan({ ...sizes, mask: causal, scoreModifiers: [bias, softcap(4)] })
      const call = { query: query, key: key, value: value }
      const run = async (tables?: ReadonlyMap<typeof bias.table, GpuTensor>) => {
        const { output, logSumExp } = plan.forward({ ...call, tables })
        const got = await flash.download(output)
        flash.release(output, logSumExp)
        return got.storage
      }
      const [one, two] = biases.map((each) =>
        expected(biasFromTensor(each.storage, [1, 3, 33, 33])),
      ) as [Float64Array, Float64Array]
      expect(largestError(await run(), one)).toBeLessThan(2e-5)
      expect(largestError(await run(new Map([[bias.table, second]])), two)).toBeLessThan(2e-5)
      expect(largestError(await run(), one)).toBeLessThan(2e-5)
      flash.device.queue.writeBuffer(
        first.storage,
        0,
        biases[1]!.storage as Float32Array<ArrayBuffer>,
      )
      expect(largestError(await run(), two)).toBeLessThan(2e-5)
      const other = biasFromGpuTensor(second, { name: 'strangers' })
      expect(() => plan.forward({ ...call, tables: new Map([[other.table, second]]) })).toThrow(
        /^plan\.forward: no score modifier of the plan reads strangers from a GPU buffer/,
      )
      expect(() => plan.forward({ ...call, tables: new Map([[bias.table, query]]) })).toThrow(
        /^plan\.forward: pairs must have shape \[1, 3, 33, 33\]/,
      )
      expect(() => plan.forward({ ...call, tables: {} as never })).toThrow(/tables must be a Map/)
      plan.destroy()
    })
  })

  test('decoding, weights of attention, and no memory left behind', async () => {
    const flash = await library()
    const before = flash.memory.allocatedBytes
    const query = fill(1, [1, 3, 1, 8], 2)
    const key = fill(2, [1, 3, 40, 8], 2)
    const bias = fill(13, [1, 3, 1, 40], 2)
    await onDevice([query, key, bias], async (_flash, q, k, source) => {
      const plan = flash.plan({
        heads: 3,
        queryLength: 1,
        keyLength: 40,
        headDim: 8,
        scoreModifiers: [biasFromGpuTensor(source)],
      })
      expect(plan.explain().variant).toBe('decode')
      const { output, logSumExp, rowMaximum } = plan.forward({
        query: q,
        key: k,
        value: k,
        rowMaximum: true,
      })
      const weights = plan.weights({ query: q, key: k, logSumExp })
      const exact = standardAttention(query, key, key, {
        scoreModifiers: [biasFromTensor(toFloat64Array(bias), [1, 3, 1, 40])],
        rowMaximum: true,
      })
      const near = async (got: GpuTensor, wanted: Tensor) =>
        expect(
          largestError((await flash.download(got)).storage, toFloat64Array(wanted)),
        ).toBeLessThan(1e-5)
      await near(output, exact.output)
      await near(weights, exact.probabilities)
      await near(rowMaximum!, exact.rowMaximum!)
      flash.release(output, logSumExp, rowMaximum!, weights)
      plan.destroy()
    })
    expect(flash.memory.allocatedBytes).toBe(before)
  })

  test('refuses what cannot be a bias', async () => {
    const flash = await library()
    const bias = flash.empty([1, 3, 33, 33])
    expect(() => biasFromGpuTensor(fill(1, [1, 1, 1, 1]) as never)).toThrow(
      /^biasFromGpuTensor: tensor must be in a GPUBuffer/,
    )
    expect(() =>
      biasFromGpuTensor({ ...bias, shape: [3, 33, 33], strides: [1089, 33, 1] }),
    ).toThrow(/shape must be \[batch, heads, queries, keys\]/)
    expect(() => biasFromGpuTensor(bias, { train: true } as never)).toThrow(/no option train/)
    const scoreModifiers = [biasFromGpuTensor(bias)]
    expect(() => flash.plan({ ...sizes, heads: 4, scoreModifiers })).toThrow(
      /gpuBias has shape \[1, 3, 33, 33\]/,
    )
    expect(() => standardAttention(...inputs, { scoreModifiers })).toThrow(
      /^gpuBias lies in a GPU buffer/,
    )
    flash.release(bias)
  })
})
