import { describe, expect, it } from 'vitest'
import { floatParameter, integerParameter, mask, scoreModifier, UnsupportedError } from '@attn/core'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import { checkBindable } from '../../src/plan/check-bindable.ts'
import { planForward } from '../../src/plan/plan.ts'
import type { PlanOptions } from '../../src/plan/plan-options.ts'

const sizes: PlanOptions = { heads: 6, queryLength: 10, headDim: 64 }
const tile = {
  queries: 64,
  keys: 32,
  threadRows: 16,
  threadColumns: 8,
  dimChunk: 16,
  valueChunk: 8,
}
const range = { minimum: 0, maximum: 9 }
const integerWidth = mask('window', ({ query, key }) =>
  query.sub(key).lt(integerParameter('width', range)),
)
const floatWidth = scoreModifier('bias', (score) => score.add(floatParameter('width', range)))

const plan = (options: object): unknown =>
  planForward({ ...sizes, ...options }, defaultCapabilities)

describe('planForward refuses', () => {
  it.each([
    [{ kvHeads: 4 }, 'flash.plan: kvHeads must divide heads, got heads=6 kvHeads=4'],
    [{ batch: 0 }, 'flash.plan: batch must be a positive integer, got 0'],
    [{ heads: 1.5 }, 'flash.plan: heads must be a positive integer, got 1.5'],
    [
      { queryLength: undefined },
      'flash.plan: queryLength must be a positive integer, got undefined',
    ],
    [{ keyLength: -1 }, 'flash.plan: keyLength must be a positive integer, got -1'],
    [
      { headDim: 577, valueDim: 64 },
      'flash.plan: headDim must be at most 576 and valueDim at most 512, got 577 and 64',
    ],
    [
      { valueDim: 513 },
      'flash.plan: headDim must be at most 576 and valueDim at most 512, got 64 and 513',
    ],
    [
      { valueDim: 300, training: true },
      'flash.plan: with training, headDim and valueDim must be at most 256, got 64 and 300; wider heads go forward only',
    ],
    [{ scale: Number.NaN }, 'flash.plan: scale must be a finite number, got NaN'],
    [{ workBudget: 0 }, 'flash.plan: workBudget must be a positive number, got 0'],
    [{ workBudget: Number.NaN }, 'flash.plan: workBudget must be a positive number, got NaN'],
    [{ keyLengths: [11] }, 'flash.plan: keyLengths must lie in 0..10, got 11'],
    [
      { keyLengths: [1, 2] },
      'flash.plan: keyLengths needs one number for each of 1 sequences, got 2',
    ],
    [{ queryOffset: 0.5 }, 'flash.plan: queryOffset must be integers, got 0.5'],
    [{ dropout: { rate: 1, seed: 1 } }, /^flash.plan: dropout/],
    [{ sinks: [1] }, /^flash.plan: sinks/],
    [
      { tile: { ...tile, keys: 24 } },
      'flash.plan: the sizes of the tile do not divide; see ForwardTile',
    ],
    [
      { tile: { ...tile, dimChunk: 12 } },
      'flash.plan: the sizes of the tile do not divide; see ForwardTile',
    ],
    [
      { tile: { ...tile, dimChunk: 64 } },
      /^flash.plan: the tile needs \d+ bytes of workgroup memory, the device has maxComputeWorkgroupStorageSize=16384$/,
    ],
  ])('%j', (options, message) => {
    expect(() => plan(options)).toThrow(RangeError)
    expect(() => plan(options)).toThrow(message)
  })

  it.each([
    [{ dtype: 'float64' }, 'flash.plan: dtype must be float32, float16 or bfloat16, got float64'],
    [{ mask: () => true }, 'flash.plan: mask must be made by mask() or a pattern, got function'],
    [{ scoreModifiers: floatWidth }, 'flash.plan: scoreModifiers must be an array, got object'],
    [
      { scoreModifiers: [1] },
      'flash.plan: scoreModifiers must be made by scoreModifier(), got number',
    ],
    [
      { mask: integerWidth, scoreModifiers: [floatWidth] },
      'flash.plan: parameter width is used as integer and as float',
    ],
    [{ rope: 10000 }, /^flash.plan: rope/],
  ])('things of the wrong kind: %j', (options, message) => {
    expect(() => plan(options)).toThrow(TypeError)
    expect(() => plan(options)).toThrow(message)
  })

  it('tiles of more threads than the device has', () => {
    const limits = { ...defaultCapabilities.limits, maxComputeWorkgroupStorageSize: 2 ** 16 }
    const wide = { ...tile, queries: 128, keys: 64, threadRows: 32, threadColumns: 16 }
    expect(() => planForward({ ...sizes, tile: wide }, { ...defaultCapabilities, limits })).toThrow(
      'flash.plan: the tile needs 512 threads, the device has maxComputeInvocationsPerWorkgroup=256',
    )
  })

  it('buffers that cannot be bound whole, naming the limit and the remedy', () => {
    const { limits } = defaultCapabilities
    expect(() => checkBindable('flash.plan', 'tables', 2 ** 27, limits)).not.toThrow()
    expect(() => checkBindable('flash.plan', 'tables', 2 ** 27 + 4, limits)).toThrow(
      new UnsupportedError(
        "flash.plan: the tables of 134217732 bytes exceeds the device's maxStorageBufferBindingSize=134217728; write masks and biases as expressions of positions instead of tensors, plan fewer heads at a time, or request a device with a larger limit",
      ),
    )
  })
})
