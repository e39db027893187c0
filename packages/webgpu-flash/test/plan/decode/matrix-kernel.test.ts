// Which calls of a plan go to subgroup matrices: by rows that share keys, what these are stored as, and how they lie.
import { describe, expect, it } from 'vitest'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import type { Capabilities } from '../../../src/device/capabilities.ts'
import { gpuTensor } from '../../../src/gpu-tensor.ts'
import { explainPlan } from '../../../src/plan/explain.ts'
import { kernelFor } from '../../../src/plan/decode/decode-plan.ts'
import type { DecodeKernel, DecodeKeys } from '../../../src/plan/decode/decode-kernel.ts'
import { planForward } from '../../../src/plan/plan.ts'
import { quantizedTensor } from '../../../src/quantized-tensor.ts'
import { decoding } from '../plans.ts'

const capabilities: Capabilities = {
  ...defaultCapabilities,
  shaderFloat16: true,
  subgroups: { minimum: 32, maximum: 32 },
  subgroupMatrices: [{ operands: 'f16', sums: 'f32', rows: 16, columns: 8, depth: 16 }],
}
const buffer = { size: 2 ** 30 } as GPUBuffer
const keyLength = 4096

/** The kernel that a call of so many rows a key head is computed by. */
function kernelOf(rows: number, keys: DecodeKeys, device = capabilities): DecodeKernel {
  const shape = { heads: 2 * rows, kvHeads: 2, queryLength: 1, keyLength, headDim: 128 }
  return kernelFor(decoding(planForward({ ...shape, dtype: 'float16' }, device)), keys)
}

function kindOf(...call: Parameters<typeof kernelOf>): string {
  return kernelOf(...call).kind
}

const halves: DecodeKeys = {
  key: gpuTensor(buffer, [1, 2, keyLength, 128], { dtype: 'float16' }),
  value: gpuTensor(buffer, [1, 2, keyLength, 128], { dtype: 'float16' }),
}

function blocks(
  options: { heads?: number; length?: number; strides?: number[]; offset?: number } = {},
) {
  const { heads = 2, length = keyLength, ...placed } = options
  const one = quantizedTensor(buffer, [1, heads, length, 128], 'q8_0', placed)
  const quantized = { key: 'q8_0', value: 'q8_0' } as const
  return { key: one, value: one, quantized } satisfies DecodeKeys
}

describe('decoding goes to matrices', () => {
  it('from five rows of halves on, or three of blocks', () => {
    expect([1, 4, 5, 8].map((rows) => kindOf(rows, halves))).toEqual([
      'threads',
      'threads',
      'matrix',
      'matrix',
    ])
    expect([1, 2, 3, 8].map((rows) => kindOf(rows, blocks()))).toEqual([
      'threads',
      'threads',
      'matrix',
      'matrix',
    ])
    expect(kindOf(4, { ...blocks(), quantized: { key: 'q8_0', value: undefined } })).toBe('threads')
  })

  it('of blocks by chunks of their own while rows are few', () => {
    const nibbles = quantizedTensor(buffer, [1, 2, keyLength, 128], 'q4_0')
    const quantized = { key: 'q4_0', value: 'q4_0' } as const
    const fours = { key: nibbles, value: nibbles, quantized }
    const chunkOf = (rows: number, keys: DecodeKeys): number => kernelOf(rows, keys).chunkKeys
    expect([4, 8, 9].map((rows) => chunkOf(rows, blocks()))).toEqual([16, 16, 32])
    expect([4, 8, 9].map((rows) => chunkOf(rows, fours))).toEqual([16, 16, 32])
    expect(chunkOf(8, halves)).toBe(32)
  })

  it('and not of heads wider than 256', () => {
    const kindsOf = (headDim: number): string[] =>
      decoding(
        planForward(
          { heads: 32, kvHeads: 1, keyLength, headDim, queryLength: 1, dtype: 'float16' },
          capabilities,
        ),
      ).kernels.map(({ kind }) => kind)
    expect(kindsOf(256)).toEqual(['matrix', 'threads'])
    expect(kindsOf(512)).toEqual(['threads'])
  })

  it('where a device has them', () => {
    expect(kindOf(8, blocks(), { ...capabilities, subgroupMatrices: [] })).toBe('threads')
  })

  // A row of 128 elements is 136 bytes, so that every other one begins on 16 bytes.
  it.each([
    ['heads that begin on 16 bytes', blocks({ strides: [2 * 4098 * 136, 4098 * 136, 136] }), true],
    ['heads that do not', blocks({ length: 4095 }), false],
    ['one head that ends on 16 bytes', blocks({ heads: 1 }), true],
    ['one that does not', blocks({ heads: 1, length: 4095 }), false],
    ['an offset of 16 bytes', blocks({ offset: 16 }), true],
    ['an offset of 8', blocks({ offset: 8 }), false],
    ['rows apart', blocks({ strides: [2 * 4096 * 272, 4096 * 272, 272] }), false],
    ['heads side by side', blocks({ strides: [4096 * 272, 136, 272] }), false],
    [
      'pages of a chunk',
      { ...blocks(), places: { kind: 'pages', pageSize: 64, tables: [[0]] } },
      true,
    ],
    [
      'smaller pages',
      { ...blocks(), places: { kind: 'pages', pageSize: 8, tables: [[0]] } },
      false,
    ],
  ] as const)('blocks with %s', (_, keys, suits) => {
    expect(kindOf(4, keys)).toBe(suits ? 'matrix' : 'threads')
  })

  it('and accounts for the kernel of halves', () => {
    const shape = { heads: 8, kvHeads: 2, keyLength, headDim: 128, dtype: 'float16' } as const
    const few = explainPlan(planForward({ ...shape, queryLength: 1 }, capabilities), capabilities)
    expect(few.threads).toBe(few.decode!.tile.threads)
    expect(few.decode!.matrix).toBeDefined()
    expect(few.reason).toContain('of quantized blocks products are those of subgroup matrices')
    const more = explainPlan(planForward({ ...shape, queryLength: 2 }, capabilities), capabilities)
    expect(more.threads).toBe(more.decode!.matrix!.subgroups * 32)
    expect(more.reason).toContain('many rows share it')
  })
})
