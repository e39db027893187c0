// Which calls of a plan go to products of signed bytes: by the device, rows that share keys, dims and blocks.
import { describe, expect, it } from 'vitest'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import type { Capabilities } from '../../../src/device/capabilities.ts'
import { gpuTensor } from '../../../src/gpu-tensor.ts'
import { explainPlan } from '../../../src/plan/explain.ts'
import { kernelFor } from '../../../src/plan/decode/decode-plan.ts'
import type { DecodeKernel, DecodeKeys } from '../../../src/plan/decode/decode-kernel.ts'
import { planForward } from '../../../src/plan/plan.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'
import { quantizedTensor } from '../../../src/quantized-tensor.ts'
import { decoding } from '../plans.ts'

const capabilities: Capabilities = {
  ...defaultCapabilities,
  shaderFloat16: true,
  subgroups: { minimum: 32, maximum: 32 },
  packedIntegerProducts: true,
}
const buffer = { size: 2 ** 30 } as GPUBuffer
const keyLength = 4096

function blocks(key: 'q8_0' | 'q4_0', value: 'q8_0' | 'q4_0', dims = 128): DecodeKeys {
  return {
    key: quantizedTensor(buffer, [1, 2, keyLength, dims], key),
    value: quantizedTensor(buffer, [1, 2, keyLength, dims], value),
    quantized: { key, value },
  }
}

const planned = (rows: number, options: Partial<PlanOptions>, device: Capabilities) =>
  planForward(
    {
      heads: 2 * rows,
      kvHeads: 2,
      queryLength: 1,
      keyLength,
      headDim: 128,
      dtype: 'float16',
      ...options,
    },
    device,
  )

/** The kernel that a call of so many rows a key head is computed by. */
const kernelOf = (
  rows: number,
  keys: DecodeKeys,
  options: Partial<PlanOptions> = {},
  device = capabilities,
): DecodeKernel => kernelFor(decoding(planned(rows, options, device)), keys)

describe('decoding goes to products of bytes', () => {
  const eights = blocks('q8_0', 'q8_0')
  const fours = blocks('q4_0', 'q4_0')

  it('where several rows share blocks of both keys and values', () => {
    const kinds = (keys: DecodeKeys): string[] =>
      [1, 2, 3, 8].map((rows) => kernelOf(rows, keys).kind)
    expect(kinds(eights)).toEqual(['threads', 'threads', 'integers', 'integers'])
    expect(kinds(fours)).toEqual(kinds(eights))
    expect(kinds(blocks('q8_0', 'q4_0'))).toEqual(kinds(eights))
    const halves = gpuTensor(buffer, [1, 2, keyLength, 128], { dtype: 'float16' })
    expect(kernelOf(4, { key: halves, value: halves }).kind).toBe('threads')
    const keysAlone = { ...eights, value: halves, quantized: { key: 'q8_0', value: undefined } }
    expect(kernelOf(4, keysAlone as DecodeKeys).kind).toBe('threads')
  })

  it('as many workgroups as run at once by their memory', () => {
    const shapeOf = (keys: DecodeKeys) => {
      const { tile, workgroupBytes } = kernelOf(4, keys)
      return [tile.workgroups, workgroupBytes]
    }
    expect(shapeOf(eights)).toEqual([896, 6912])
    expect(shapeOf(fours)).toEqual([1024, 4864])
  })

  it.each([
    ['WGSL has none', {}, { ...capabilities, packedIntegerProducts: false }],
    ['queries are float32', { dtype: 'float32' }, capabilities],
    ['heads have other dims', { headDim: 64 }, capabilities],
    ['dropout counts pairs', { dropout: { rate: 0.1, seed: 1 } }, capabilities],
    ['nobody wants it', { decodeTile: { integers: false } }, capabilities],
    [
      'a CPU does the work',
      {},
      { ...capabilities, adapter: { ...capabilities.adapter, description: 'llvmpipe' } },
    ],
  ] as const)('but not where %s', (_, options, device) => {
    const dims = 'headDim' in options ? options.headDim : 128
    expect(kernelOf(4, blocks('q8_0', 'q8_0', dims), options, device).kind).toBe('threads')
  })

  it('where it is wanted, of one row and on a CPU', () => {
    const software = { ...capabilities.adapter, description: 'llvmpipe' }
    const wanted = { decodeTile: { integers: { workgroups: 6, shuffles: 4 } } }
    const kernel = kernelOf(1, eights, wanted, { ...capabilities, adapter: software })
    expect(kernel.tile).toEqual({ rows: 4, keys: 32, shuffles: 4, workgroups: 6, unrolled: false })
  })

  it('shuffles as far as subgroups reach', () => {
    const shuffles = (subgroups: Capabilities['subgroups']): number | undefined => {
      const device = { ...capabilities, subgroups }
      return explainPlan(planned(4, {}, device), device).decode!.integers?.shuffles
    }
    expect(shuffles(undefined)).toBe(1)
    expect(shuffles({ minimum: 8, maximum: 32 })).toBe(8)
    expect(shuffles({ minimum: 64, maximum: 128 })).toBe(32)
    const wide = { decodeTile: { integers: { shuffles: 64 } } }
    expect(() => planned(4, wide, capabilities)).toThrow('shuffles among 64 threads')
    const odd = { decodeTile: { integers: { shuffles: 3 } } }
    expect(() => planned(4, odd, capabilities)).toThrow('must be a power of two')
  })

  it('unless there are matrices', () => {
    const matrix = { operands: 'f16', sums: 'f32', rows: 16, columns: 8, depth: 16 } as const
    const device = { ...capabilities, subgroupMatrices: [matrix] }
    expect(kernelOf(4, eights, {}, device).kind).toBe('matrix')
    expect(kernelOf(4, eights, { decodeTile: { matrix: false } }, device).kind).toBe('integers')
  })
})
