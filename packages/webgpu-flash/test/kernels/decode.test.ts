// The shader text of decoding, kept so that a reviewer sees what a change makes of it; `vitest -u` writes
// the files anew.
import { describe, expect, it } from 'vitest'
import { mask } from '@attn/core'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import type { Capabilities } from '../../src/device/capabilities.ts'
import { decoding } from '../plan/plans.ts'
import { planForward } from '../../src/plan/plan.ts'
import type { PlanOptions } from '../../src/plan/plan-options.ts'
import { kernelFor } from '../../src/plan/decode/decode-plan.ts'
import { gpuTensor } from '../../src/gpu-tensor.ts'
import { quantizedTensor } from '../../src/quantized-tensor.ts'
import { contiguousDecodeTexts, decodeText } from '../../src/run/decode/decode-texts.ts'

const base: PlanOptions = { heads: 4, kvHeads: 2, queryLength: 1, keyLength: 4096, headDim: 64 }
const causal = mask('causal', ({ query, key }) => key.le(query))
const withSubgroups: Capabilities = {
  ...defaultCapabilities,
  subgroups: { minimum: 32, maximum: 32 },
}

const withMatrices: Capabilities = {
  ...withSubgroups,
  shaderFloat16: true,
  subgroupMatrices: [{ operands: 'f16', sums: 'f32', rows: 16, columns: 8, depth: 16 }],
  limits: { ...defaultCapabilities.limits, maxComputeWorkgroupStorageSize: 49152 },
}

function texts(options: Partial<PlanOptions>, capabilities = defaultCapabilities): string[] {
  const plan = planForward({ ...base, ...options }, capabilities)
  return contiguousDecodeTexts(decoding(plan))
}

/** The text of a part of a row whose keys are in blocks of eight bits and whose values in such of four. */
function blocksText(device: Capabilities, heads = 4): string {
  const capabilities = { ...device, shaderFloat16: true }
  const shape = { ...base, heads, dtype: 'float16', headDim: 128 } as const
  const plan = decoding(planForward(shape, capabilities))
  const buffer = { size: 2 ** 30 } as GPUBuffer
  const rows = gpuTensor(buffer, [1, heads, 1, 128], { dtype: 'float16' })
  const tensors = {
    query: rows,
    key: quantizedTensor(buffer, [1, 2, 4096, 128], 'q8_0'),
    value: quantizedTensor(buffer, [1, 2, 4096, 128], 'q4_0'),
    output: rows,
    quantized: { key: 'q8_0', value: 'q4_0' },
  } as const
  const kernel = kernelFor(plan, tensors)
  return decodeText(plan, kernel, kernel.accesses(tensors), false)
}

describe('the decode kernel', () => {
  it.each([
    ['through-memory-float32', texts({ mask: causal })[0]!],
    ['by-shuffles-float16', texts({ dtype: 'float16' }, withSubgroups)[0]!],
    ['whole-rows-with-sinks', texts({ keyLength: 10, sinks: [0, 1, 2, 3] })[0]!],
    ['blocks', blocksText(withSubgroups)],
    ['matrix-of-blocks', blocksText(withMatrices, 8)],
    ['integers', blocksText({ ...withSubgroups, packedIntegerProducts: true }, 8)],
    ['merge', texts({})[1]!],
    [
      'matrix-of-many-rows',
      texts({ dtype: 'float16', queryLength: 8, mask: causal }, withMatrices)[0]!,
    ],
  ])('%s', async (name, text) => {
    await expect(text).toMatchFileSnapshot(`../__wgsl__/decode-${name}.wgsl`)
  })

  it('reads halves eight at a time without shader-f16, and where it is there', () => {
    const native = { ...defaultCapabilities, shaderFloat16: true }
    for (const capabilities of [defaultCapabilities, native]) {
      const [text] = texts({ dtype: 'float16' }, capabilities)
      expect(text).toContain('var<storage, read> key: array<vec4<u32>>')
    }
    expect(texts({ dtype: 'float16', headDim: 20 })[0]).not.toContain('array<vec4<u32>>')
  })

  it('loads each row of keys once, whatever the rows that share it', () => {
    const loads = (heads: number): number => texts({ heads })[0]!.match(/= key\[/g)!.length
    expect(loads(2)).toBe(loads(8))
  })

  it('goes to matrices where many rows share a key', () => {
    const isOnMatrices = (options: Partial<PlanOptions>): boolean =>
      texts({ dtype: 'float16', ...options }, withMatrices)[0]!.includes('subgroup_matrix')
    expect(isOnMatrices({ queryLength: 2 })).toBe(false)
    expect(isOnMatrices({ queryLength: 3 })).toBe(true)
    expect(isOnMatrices({ queryLength: 8, dtype: 'float32' })).toBe(false)
    expect(isOnMatrices({ queryLength: 8, headDim: 60 })).toBe(false)
    expect(isOnMatrices({ queryLength: 8, decodeTile: { matrix: false } })).toBe(false)
    expect(isOnMatrices({ decodeTile: { matrix: true } })).toBe(true)
  })

  it('has no more than the call needs', () => {
    const [plain] = texts({})
    expect(plain).not.toMatch(/fn visible|dropoutWeights|subgroup|enable|sinkBase/)
    expect(texts({}, withSubgroups)[0]).toMatch(/^enable subgroups;/)
  })
})
