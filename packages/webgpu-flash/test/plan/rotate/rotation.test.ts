// Rotations without a GPU: angles as whole numbers are those of float64, and dispatches turn every row
// of every head once, within the device's limits.
import type { RotaryEmbedding } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GpuTensor } from '../../../src/gpu-tensor.ts'
import {
  headsPerThread,
  rotateFields,
  rotateKernel,
} from '../../../src/kernels/rotate/rotate.wgsl.ts'
import { planRotation } from '../../../src/plan/rotate/plan-rotation.ts'
import {
  frequencyWords,
  offsetWords,
  positionWords,
} from '../../../src/plan/rotate/rotary-words.ts'

function embedding(inverseFrequencies: ArrayLike<number>): RotaryEmbedding {
  const rotaryDim = 2 * inverseFrequencies.length
  return { inverseFrequencies, attentionFactor: 1, layout: 'half', rotaryDim }
}

/** What the kernel's `anglesAt` computes, in units of 2^-32 turns. */
function angleAt(position: readonly bigint[], frequency: readonly bigint[]): number {
  const [whole, part] = position as [bigint, bigint]
  const [high, low, turns] = frequency as [bigint, bigint, bigint]
  const negative = whole >> 31n === 1n
  const distance = negative ? (1n << 32n) - whole : whole
  const turned = high * distance + ((low * distance) >> 32n)
  const angle = (negative ? -turned : turned) + turns * part + ((high * part) >> 32n)
  return Number(BigInt.asUintN(32, angle))
}

const words = (list: Uint32Array, ...places: number[]): bigint[] =>
  places.map((place) => BigInt(list[place]!))

test('angles as whole numbers are those of float64', () => {
  const frequencies = fc.double({ min: -9, max: 9, noNaN: true })
  const positions = fc.oneof(
    fc.integer({ min: -2_000_000, max: 2_000_000 }),
    fc.double({ min: -1000, max: 1000, noNaN: true }),
  )
  fc.assert(
    fc.property(frequencies, positions, (frequency, position) => {
      const frequencyList = frequencyWords(embedding([0, 0, 0, 0, 0, frequency]))
      const { words: positionList } = positionWords('test', [position], 1, 1)
      const angle =
        (angleAt(words(positionList, 0, 1), words(frequencyList, 5, 8 + 5, 16 + 5)) / 2 ** 32) *
        (2 * Math.PI)
      const exact = position * frequency
      expect(Math.abs(Math.cos(angle) - Math.cos(exact))).toBeLessThan(3e-8)
      expect(Math.abs(Math.sin(angle) - Math.sin(exact))).toBeLessThan(3e-8)
    }),
    {
      numRuns: 500,
      // Just below a whole number, where rounding up would lose a whole one.
      examples: [
        [1, -5e-324],
        [-5e-324, 0.5],
        [-1e-17, 1000],
      ],
    },
  )
})

test('positions: offsets grow with the row, lists are read by row and sequence', () => {
  expect(offsetWords('test', [3, -2], 4)).toEqual({
    words: Uint32Array.of(3, 0, 2 ** 32 - 2, 0),
    batchStep: 1,
    rowStep: 0,
    growth: 1,
  })
  expect(positionWords('test', 7.5, 2, 4)).toEqual({
    words: Uint32Array.of(7, 2 ** 31),
    batchStep: 0,
    rowStep: 0,
    growth: 1,
  })
  expect(positionWords('test', [1, 2, 3, 4, 5, 6], 2, 3)).toMatchObject({
    batchStep: 3,
    rowStep: 1,
  })
  expect(positionWords('test', [1, 2, 3], 2, 3)).toMatchObject({ batchStep: 0, rowStep: 1 })
  expect(() => positionWords('test', 2 ** 31 - 3, 1, 4)).toThrow('test: positions must be')
})

describe('planRotation', () => {
  const sizes = fc.record({
    batch: fc.integer({ min: 1, max: 3 }),
    heads: fc.integer({ min: 1, max: 9 }),
    length: fc.integer({ min: 1, max: 40 }),
    dim: fc.constantFrom(8, 12, 16),
    rotaryDim: fc.constantFrom(2, 4, 8),
    transposed: fc.boolean(),
    most: fc.integer({ min: 2, max: 40 }),
    bytes: fc.constantFrom(1024, 4096, 1 << 20),
  })

  test('turns every row of every head once, within the limits', () => {
    fc.assert(
      fc.property(sizes, ({ batch, heads, length, dim, rotaryDim, transposed, most, bytes }) => {
        const strides = transposed
          ? [heads * length * dim, dim, heads * dim, 1]
          : [heads * length * dim, length * dim, dim, 1]
        const shape = [batch, heads, length, dim]
        const view = { dtype: 'float32', shape, strides, offset: 0 } as unknown as GpuTensor
        const access = { dtype: 'float32', vector: true, nativeFloat16: false } as const
        const limits = {
          maxComputeWorkgroupsPerDimension: most,
          maxStorageBufferBindingSize: bytes,
          minStorageBufferOffsetAlignment: 256,
        }
        const { dispatches } = planRotation(
          'test',
          {
            rotary: embedding(new Array<number>(rotaryDim / 2).fill(1)),
            positions: offsetWords('test', [0], length),
            direction: 1,
            input: view,
            output: view,
            accesses: { input: access, output: access },
          },
          limits,
        )
        const turned = new Uint8Array(batch * heads * length)
        for (const { words: block, workgroups, input, output } of dispatches) {
          const field = (name: string): number => block[rotateFields.indexOf(name)]!
          expect(Math.max(...workgroups)).toBeLessThanOrEqual(most)
          expect(Math.max(input.size, output.size)).toBeLessThanOrEqual(bytes)
          const [firstBatch, firstHead, endHead] = [
            field('batchBase'),
            field('headBase'),
            field('headEnd'),
          ]
          expect(workgroups[1]).toBe(Math.ceil((endHead - firstHead) / headsPerThread))
          for (let sequence = firstBatch; sequence < firstBatch + workgroups[2]; sequence++) {
            for (let head = firstHead; head < endHead; head++) {
              for (let row = field('rowBase'); row < field('rowEnd'); row++) {
                turned[(sequence * heads + head) * length + row]!++
              }
            }
          }
        }
        expect(turned.every((count) => count === 1)).toBe(true)
      }),
    )
  })

  test('names the limit that a single row exceeds', () => {
    const shape = [1, 1, 2, 128]
    const strides = [256, 256, 128, 1]
    const view = { dtype: 'float32', shape, strides, offset: 0 } as unknown as GpuTensor
    const access = { dtype: 'float32', vector: true, nativeFloat16: false } as const
    const limits = {
      maxComputeWorkgroupsPerDimension: 8,
      maxStorageBufferBindingSize: 256,
      minStorageBufferOffsetAlignment: 256,
    }
    const problem = {
      rotary: embedding([1, 2, 3, 4]),
      positions: offsetWords('test', [0], 2),
      direction: 1,
      input: view,
      output: view,
      accesses: { input: access, output: access },
    } as const
    expect(() => planRotation('test', problem, limits)).toThrow('maxStorageBufferBindingSize=256')
  })
})

test('whole vectors turn as such where pairs allow it', () => {
  const access = { dtype: 'float32', vector: true, nativeFloat16: false } as const
  const code = (rotaryDim: number, layout: 'half' | 'interleaved'): string =>
    rotateKernel({ headDim: 16, rotaryDim, layout, input: access, output: access })
  expect(code(16, 'half')).toContain('const units = 2u;')
  expect(code(16, 'half')).toContain('storeOutput(outputBase, unit + 2u, v);')
  expect(code(8, 'interleaved')).toContain('const units = 3u;')
  expect(code(12, 'half')).toContain('const units = 4u;')
})
