// The shapes of `attn tune`, and its table for a record that nobody measured.
import { describe, expect, test } from 'vitest'
import type { TuningRecord } from '@attn/webgpu-flash'
import { tuneShapes } from '../src/tune/shapes.ts'
import { formatTuning } from '../src/tune/summary.ts'

describe('tuneShapes', () => {
  const problem = {
    heads: 2,
    headDims: [64, 128],
    dtypes: ['float32', 'float16'],
    lengths: [1024, 1],
    masks: ['none', 'causal'],
    training: true,
  } as const

  test('has all combinations, of decoding steps without masks and gradients', () => {
    const shapes = tuneShapes(problem)
    expect(shapes).toHaveLength(2 * 2 * (1 + 2))
    const [decoding, dense, causal] = shapes
    expect(decoding).toEqual({
      heads: 2,
      headDim: 64,
      dtype: 'float32',
      queryLength: 1,
      keyLength: 4096,
    })
    expect(dense).toMatchObject({ queryLength: 1024, training: true })
    expect(dense!.mask).toBeUndefined()
    expect(causal!.mask!.name).toBe('causal')
  })

  test('has no decoding step with a mask alone', () => {
    const shapes = tuneShapes({ ...problem, masks: ['causal'] })
    expect(shapes.map(({ queryLength }) => queryLength)).toEqual([1024, 1024, 1024, 1024])
  })
})

test('formatTuning shows choice, fastest and gain, and names what did not run', () => {
  const tile = { threadRows: 16, threadColumns: 8, dimChunk: 32 }
  const large = { queries: 128, keys: 64, ...tile, valueChunk: 32 }
  const small = { queries: 64, keys: 32, ...tile, valueChunk: 32 }
  const gradient = { rows: 64, columns: 32, ...tile, sourceChunk: 16 }
  const measured = (of: typeof small, milliseconds: number) => ({
    tile: of,
    milliseconds,
    samples: 9,
  })
  const own = {
    best: gradient,
    speedUp: 1,
    measured: [{ tile: gradient, milliseconds: 3, samples: 9 }],
    skipped: [],
  }
  const record: TuningRecord = {
    schema: 'attn-tuning/1',
    created: '2026-11-22T00:00:00.000Z',
    kernels: '00000000',
    device: {
      adapter: { vendor: 'acme', architecture: 'one', device: '', description: '' },
      shaderFloat16: false,
      subgroupMatrices: false,
      maxComputeWorkgroupStorageSize: 16384,
      maxComputeInvocationsPerWorkgroup: 256,
    },
    clock: 'wall-clock',
    entries: [
      {
        dtype: 'float32',
        headDim: 64,
        valueDim: 64,
        queryLengths: { from: 1025, to: 4096 },
        masked: true,
        call: {
          batch: 1,
          heads: 16,
          kvHeads: 16,
          queryLength: 4096,
          keyLength: 4096,
          mask: 'causal',
        },
        forward: {
          best: small,
          speedUp: 1.25,
          measured: [measured(large, 1.25), measured(small, 1)],
          skipped: [{ tile: 'subgroup-matrix', reason: 'the driver refuses' }],
        },
        backward: { kernels: '0', query: own, key: own },
      },
    ],
  }
  const lines = formatTuning(record).split('\n')
  expect(lines[2]).toMatch(
    /float32 +64 +4k +causal +forward +128x64 by 16x8 in 32, 32 +1.25 +64x32 by 16x8 in 32, 32 +1.00 +1.25x +2 +1$/,
  )
  expect(lines[3]).toMatch(/dQ +64x32 by 16x8 in 32, 16 +3.00 +the same +3.00 +1.00x +1 +0$/)
  expect(lines[4]).toContain('dK, dV')
  expect(lines.at(-2)).toContain('by the wall clock')
  expect(lines.at(-1)).toBe(
    'skipped subgroup-matrix (float32, dim 64, 4k queries): the driver refuses',
  )
})
