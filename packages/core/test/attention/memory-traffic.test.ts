// Counts without computing against what the algorithms say that they move, and against closed forms.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  countTraffic,
  createBlockMap,
  flashAttention,
  flashAttentionBackward,
  memoryTraffic,
  roofline,
  standardAttention,
} from '../../src/index.ts'
import type { LoopOrder, MemoryTraffic, MemoryTrafficOptions, TileEvent } from '../../src/index.ts'
import { arbitraryCall, planShape } from './arbitrary-call.ts'
import type { Call } from './arbitrary-call.ts'
import { standardGradients } from '../conformance/index.ts'

/** The part of a counted call that its trace has as well. */
function counted(options: MemoryTrafficOptions): MemoryTraffic {
  const { loaded, stored, total, loads, stores } = memoryTraffic(options)
  return { loaded, stored, total, loads, stores }
}

function traced(run: (trace: (event: TileEvent) => void) => void): MemoryTraffic {
  const events: TileEvent[] = []
  run((event) => events.push(event))
  return countTraffic(events)
}

/** Sinks and modifiers are what the count leaves out. */
function plainCall(call: Call): Call {
  const { sinks: _sinks, scoreModifiers: _modifiers, ...options } = call.options
  return { ...call, options }
}

describe('memoryTraffic', () => {
  const arbitraryTiling = fc.record({
    queryBlockSize: fc.integer({ min: 1, max: 12 }),
    keyBlockSize: fc.integer({ min: 1, max: 12 }),
  })
  const arbitraryOrder = fc.constantFrom<LoopOrder>('queries-outside', 'keys-outside')

  test('is what the tiled algorithms trace, in both orders and directions', () => {
    let moved = 0
    fc.assert(
      fc.property(
        arbitraryCall(20).map(plainCall),
        arbitraryTiling,
        arbitraryOrder,
        fc.boolean(),
        (call, tiling, loopOrder, planned) => {
          const { query, key, value, dOutput, options, shape } = call
          const tiles = planned
            ? { blockMap: createBlockMap(options.mask, planShape(call), tiling) }
            : tiling
          const all = { ...options, ...tiles, loopOrder }
          const { keyLengths } = options
          const same = { algorithm: 'flash', ...shape, ...tiles, loopOrder } as const
          const asked = { ...same, ...(keyLengths && { keyLengths }) }
          const forward = flashAttention(query, key, value, options)
          const expected = traced((trace) => flashAttention(query, key, value, { ...all, trace }))
          expect(counted({ ...asked, pass: 'forward' })).toEqual(expected)
          expect(counted({ ...asked, pass: 'backward' })).toEqual(
            traced((trace) =>
              flashAttentionBackward(query, key, value, forward, dOutput, { ...all, trace }),
            ),
          )
          moved += expected.total
        },
      ),
      { numRuns: 200 },
    )
    expect(moved).toBeGreaterThan(0)
  })

  test('is what standard attention traces, in both directions', () => {
    fc.assert(
      fc.property(arbitraryCall(12).map(plainCall), ({ query, key, value, dOutput, ...call }) => {
        const asked = { algorithm: 'standard', ...call.shape } as const
        expect(counted(asked)).toEqual(
          traced((trace) => standardAttention(query, key, value, { ...call.options, trace })),
        )
        expect(counted({ ...asked, pass: 'backward' })).toEqual(
          traced((trace) =>
            standardGradients(query, key, value, dOutput, { ...call.options, trace }),
          ),
        )
      }),
      { numRuns: 100 },
    )
  })

  test('standard attention moves 4 N d + 4 N^2 forward, 8 N d + 7 N^2 backward', () => {
    const [N, d] = [512, 64]
    const shape = { algorithm: 'standard', queryLength: N, headDim: d } as const
    expect(memoryTraffic(shape).total).toBe(4 * N * d + 4 * N * N + N)
    expect(memoryTraffic({ ...shape, pass: 'backward' }).total).toBe(8 * N * d + 7 * N * N)
  })

  test('FlashAttention needs M of about 3 d^2 to move less than standard attention', () => {
    const [N, d] = [4096, 64]
    const shape = { queryLength: N, headDim: d }
    const standard = memoryTraffic({ algorithm: 'standard', ...shape }).total
    const flash = (share: number): number =>
      memoryTraffic({
        algorithm: 'flash',
        loopOrder: 'keys-outside',
        ...shape,
        onChipElements: Math.round(share * d * d),
      }).total
    expect(flash(1)).toBeGreaterThan(2.5 * standard)
    expect(flash(2.8)).toBeGreaterThan(standard)
    expect(flash(3.3)).toBeLessThan(standard)
  })

  test('the rule for tiles: as large as the chip holds outside, at most d inside', () => {
    const shape = { algorithm: 'flash', queryLength: 1024, headDim: 64 } as const
    const tile = (loopOrder: LoopOrder, onChipElements: number) =>
      memoryTraffic({ ...shape, loopOrder, onChipElements }).tile
    expect(tile('keys-outside', 98304)).toEqual({ queryBlockSize: 64, keyBlockSize: 384 })
    expect(tile('queries-outside', 98304)).toEqual({ queryBlockSize: 384, keyBlockSize: 64 })
    expect(tile('keys-outside', 4096)).toEqual({ queryBlockSize: 16, keyBlockSize: 16 })
  })

  test('GPT-2 medium forward and backward in float16: 3.98 GB against 25.2', () => {
    const shape = {
      queryLength: 1024,
      headDim: 64,
      heads: 16,
      batch: 64,
      dtype: 'float16',
    } as const
    const both = (options: Pick<MemoryTrafficOptions, 'algorithm' | 'onChipElements'>): number =>
      (['forward', 'backward'] as const).reduce(
        (sum, pass) =>
          sum + memoryTraffic({ ...shape, ...options, pass, loopOrder: 'keys-outside' }).bytes,
        0,
      ) / 1e9
    expect(both({ algorithm: 'flash', onChipElements: 98304 })).toBeCloseTo(3.98, 2)
    expect(both({ algorithm: 'standard' })).toBeCloseTo(25.2, 1)
  })

  test('bytes: rows of sums stay float32, operations are those of the tiles visited', () => {
    const shape = { algorithm: 'flash', queryLength: 100, headDim: 8, valueDim: 4 } as const
    const wide = memoryTraffic(shape)
    expect(wide.bytes).toBe(4 * wide.total)
    const half = memoryTraffic({ ...shape, dtype: 'float16' })
    expect(half.bytes).toBe(2 * (half.total - 100) + 4 * 100)
    expect(wide.operations).toBe(2 * 100 * 100 * (8 + 4))
    expect(memoryTraffic({ ...shape, pass: 'backward' }).operations).toBe(2 * 100 * 100 * 32)
  })

  test('refuses what it cannot count', () => {
    const shape = { algorithm: 'flash', queryLength: 64, headDim: 16 } as const
    const asking = (options: object) => () => memoryTraffic({ ...shape, ...options })
    expect(asking({ algorithm: 'fast' })).toThrow(
      'memoryTraffic: algorithm must be standard or flash, got fast',
    )
    expect(asking({ pass: 'both' })).toThrow('memoryTraffic: pass must be forward or backward')
    expect(asking({ dtype: 'float64' })).toThrow(
      'memoryTraffic: dtype must be float32 or float16 or bfloat16',
    )
    expect(asking({ loopOrder: 'none' })).toThrow('memoryTraffic: loopOrder must be')
    expect(asking({ headDim: 0 })).toThrow('memoryTraffic: headDim must be a positive integer')
    expect(asking({ heads: 3, kvHeads: 2 })).toThrow('memoryTraffic: kvHeads must divide heads')
    expect(asking({ onChipElements: 63 })).toThrow('4 * 16, got 63')
    expect(asking({ onChipElements: 640, keyBlockSize: 8 })).toThrow('onChipElements decides')
    expect(asking({ keyBlockSize: 0.5 })).toThrow('memoryTraffic: keyBlockSize must be a positive')
    expect(asking({ keyLengths: [65] })).toThrow('memoryTraffic: keyLengths')
  })
})

describe('roofline', () => {
  test('the slower of memory and processor binds', () => {
    const device = { bandwidth: 100, rate: 1000 }
    expect(roofline({ bytes: 200, operations: 1000, ...device })).toEqual({
      memorySeconds: 2,
      computeSeconds: 1,
      seconds: 2,
      bound: 'memory',
      intensity: 5,
      ridge: 10,
      attainableRate: 500,
    })
    expect(roofline({ bytes: 0, operations: 3000, ...device })).toMatchObject({
      seconds: 3,
      bound: 'compute',
      intensity: Infinity,
      attainableRate: 1000,
    })
  })

  test('refuses amounts and devices that cannot be', () => {
    const good = { bytes: 1, operations: 1, bandwidth: 1, rate: 1 }
    expect(() => roofline({ ...good, bytes: -1 })).toThrow('roofline: bytes must be 0 or more')
    expect(() => roofline({ ...good, operations: NaN })).toThrow('roofline: operations must be 0')
    expect(() => roofline({ ...good, bandwidth: 0 })).toThrow(
      'roofline: bandwidth must be positive',
    )
    expect(() => roofline({ ...good, rate: -1 })).toThrow('roofline: rate must be positive')
  })
})
