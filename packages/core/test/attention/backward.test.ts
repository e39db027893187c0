import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  countTraffic,
  createBlockMap,
  flashAttention,
  flashAttentionBackward,
  maskFromTensor,
  scoreModifier,
  standardAttention,
  toFloat64Array,
  zeros,
} from '../../src/index.ts'
import type { AttentionGradients, LoopOrder, TileEvent } from '../../src/index.ts'
import { fill, goldenCases, largestError } from '../conformance/index.ts'
import { arbitraryCall, planShape } from './arbitrary-call.ts'
import type { Call } from './arbitrary-call.ts'
import { standardGradients } from '../conformance/index.ts'

const gradients = ['dQuery', 'dKey', 'dValue'] as const

/** Largest difference between any two gradients. */
function distance(actual: AttentionGradients, expected: AttentionGradients): number {
  const tensors = gradients.map((name) =>
    largestError(actual[name].storage, expected[name].storage),
  )
  const tables = [...expected.dTables].map(([table, values]) =>
    largestError(actual.dTables.get(table)!, values),
  )
  const sinks = largestError(actual.dSinks ?? [], expected.dSinks ?? [])
  return Math.max(...tensors, ...tables, sinks)
}

const standardOf = ({ query, key, value, dOutput, options }: Call): AttentionGradients =>
  standardGradients(query, key, value, dOutput, options)

describe('standardAttentionBackward', () => {
  test.each(goldenCases())('float64 to all digits: $name', (golden) => {
    const { query, key, value, dOutput, options } = golden
    const result = standardGradients(query, key, value, dOutput, options)
    for (const name of gradients) {
      expect(largestError(toFloat64Array(result[name]), golden[name])).toBeLessThan(2e-8)
    }
  })

  test('agrees with finite differences of the loss in every input', () => {
    fc.assert(
      fc.property(arbitraryCall(5, 3), (call) => {
        const result = standardOf(call)
        const { query, key, value, options } = call
        const inputs: [ArrayLike<number>, ArrayLike<number>][] = [
          [query.storage, result.dQuery.storage],
          [key.storage, result.dKey.storage],
          [value.storage, result.dValue.storage],
        ]
        result.dTables.forEach((gradient, table) => inputs.push([table.values, gradient]))
        if (options.sinks) inputs.push([options.sinks as Float64Array, result.dSinks!])
        for (const [input, gradient] of inputs) {
          for (let index = 0; index < input.length; index++) {
            const slope = slopeOf(call, input as Float64Array, index)
            expect(Math.abs(gradient[index]! - slope)).toBeLessThan(1e-6 * (1 + Math.abs(slope)))
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  test('hidden pairs, empty rows and -Infinity scores give zero gradients, never NaN', () => {
    const [x, dOutput] = [fill(1, [1, 1, 4, 2], 1, 'float64'), fill(2, [1, 1, 4, 2], 1, 'float64')]
    const mask = maskFromTensor([1, 0, 1, 1], [1, 1, 4, 1])
    const hideKey = scoreModifier('hideKey', (score, { key }) => key.eq(2).select(-Infinity, score))
    const infinite = scoreModifier('infinite', (score) => score.add(Infinity).neg())
    const options = { mask, scoreModifiers: [hideKey] }
    const { dQuery, dKey, dValue } = standardGradients(x, x, x, dOutput, options)
    const none = new Float64Array(2)
    expect(dQuery.storage.slice(2, 4)).toEqual(none)
    expect(dKey.storage.slice(4, 6)).toEqual(none)
    expect(dValue.storage.slice(4, 6)).toEqual(none)
    const nothing = standardGradients(x, x, x, dOutput, { scoreModifiers: [infinite] })
    for (const name of gradients) expect(nothing[name].storage.every((g) => g === 0)).toBe(true)
  })

  test('hidden NaN in keys and values stays out of every gradient', () => {
    const x = fill(1, [1, 1, 4, 2])
    const spoilt = fill(1, [1, 1, 4, 2])
    spoilt.storage.fill(Number.NaN, 6)
    const options = { keyLengths: [3] }
    const forward = flashAttention(x, spoilt, spoilt, options)
    const all = [
      standardGradients(x, spoilt, spoilt, x, options),
      flashAttentionBackward(x, spoilt, spoilt, forward, x, options),
    ]
    for (const result of all) {
      for (const name of gradients) expect(result[name].storage.every(Number.isFinite)).toBe(true)
    }
  })

  test('an infinite slope where no gradient arrives does no harm', () => {
    // One key: its probability is 1 whatever its score is, so nothing flows back to the score.
    const root = scoreModifier('root', (score) => score.sqrt())
    const zero = zeros([1, 1, 1, 1], 'float64')
    const result = standardGradients(zero, zero, zero, fill(1, [1, 1, 1, 1]), {
      scoreModifiers: [root],
    })
    expect([result.dQuery.storage[0], result.dKey.storage[0]]).toEqual([0, 0])
  })

  test('gradients have the types and shapes of their inputs', () => {
    const result = standardGradients(
      zeros([1, 4, 3, 2], 'float16'),
      zeros([1, 2, 5, 2], 'float32'),
      zeros([1, 2, 5, 6], 'float64'),
      zeros([1, 4, 3, 6]),
    )
    expect(gradients.map((name) => result[name].dtype)).toEqual(['float16', 'float32', 'float64'])
    expect(result.dKey.shape).toEqual([1, 2, 5, 2])
    expect(result.dSinks).toBeUndefined()
  })

  test('names itself and the rule in errors', () => {
    const x = zeros([1, 2, 3, 4])
    expect(() => standardGradients(x, x, x, zeros([1, 2, 3, 5]))).toThrow(
      new RangeError(
        'standardAttentionBackward: dOutput must have shape [1, 2, 3, 4], got [1, 2, 3, 5]',
      ),
    )
    const forward = standardAttention(x, x, x)
    const wrong = { ...forward, logSumExp: zeros([1, 2, 4]) }
    expect(() => flashAttentionBackward(x, x, x, wrong, x)).toThrow(
      'flashAttentionBackward: logSumExp must have shape [1, 2, 3], got [1, 2, 4]',
    )
  })
})

/** Change of the loss, the sum of output * dOutput, with one number of the inputs. */
function slopeOf(
  { query, key, value, dOutput, options }: Call,
  input: Float64Array,
  index: number,
): number {
  const before = input[index]!
  const lossAt = (shift: number): number => {
    input[index] = before + shift
    const { output } = standardAttention(query, key, value, options)
    input[index] = before
    return Array.from(output.storage).reduce((sum, x, at) => sum + x * dOutput.storage[at]!, 0)
  }
  const step = 2 ** -9
  const difference = (h: number): number => (lossAt(h) - lossAt(-h)) / (2 * h)
  return (4 * difference(step / 2) - difference(step)) / 3
}

describe('flashAttentionBackward', () => {
  const arbitraryTiling = fc.record({
    queryBlockSize: fc.integer({ min: 1, max: 12 }),
    keyBlockSize: fc.integer({ min: 1, max: 12 }),
  })

  test('is standardAttentionBackward, however it is tiled, with and without a block map', () => {
    fc.assert(
      fc.property(
        arbitraryCall(14),
        arbitraryTiling,
        fc.boolean(),
        fc.constantFrom<LoopOrder | undefined>(undefined, 'keys-outside', 'queries-outside'),
        (call, tiling, planned, loopOrder) => {
          const { query, key, value, dOutput, options } = call
          const blockMap = createBlockMap(options.mask, planShape(call), tiling)
          const tiles = planned ? { blockMap } : tiling
          const forward = flashAttention(query, key, value, options)
          const actual = flashAttentionBackward(query, key, value, forward, dOutput, {
            ...options,
            ...tiles,
            ...(loopOrder && { loopOrder }),
          })
          expect(distance(actual, standardOf(call))).toBeLessThan(1e-11)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('memory traffic: 18 N d where FlashAttention forward moves 11 (T_c = 3)', () => {
    const [N, d] = [1024, 8]
    const x = zeros([1, 1, N, d])
    const forward = { output: x, logSumExp: zeros([1, 1, N]) }
    const events: TileEvent[] = []
    flashAttentionBackward(x, x, x, forward, x, {
      queryBlockSize: 64,
      keyBlockSize: 384,
      trace: (event) => events.push(event),
    })
    const Tc = 3
    const { loads, stores } = countTraffic(events)
    // Algorithm 2 of FlashAttention-2: O once, for D; per key tile Q, dO and dQ.
    expect(loads).toEqual({
      output: N * d,
      key: N * d,
      value: N * d,
      query: Tc * N * d,
      dOutput: (1 + Tc) * N * d,
      dQuery: Tc * N * d,
      logSumExp: Tc * N,
      delta: Tc * N,
    })
    expect(stores).toEqual({ delta: N, dQuery: Tc * N * d, dKey: N * d, dValue: N * d })
    const { delta, dQuery, dKey, dValue } = stores
    const matrices = loads.output! + loads.key! + loads.value! + loads.query! + loads.dOutput!
    const moved = (matrices + loads.dQuery! + dQuery! + dKey! + dValue!) / (N * d)
    expect(moved).toBe(18)
    expect(delta).toBe(N)
    // GPT-2 medium, batch 64, float16: forward and backward move 3.9 GB; the paper printed 4.4.
    const gigabytes = ((11 + moved) * N * 64 * 2 * 16 * 64) / 1e9
    expect(gigabytes / 4.4).toBeGreaterThan(0.85)
    expect(gigabytes / 4.4).toBeLessThan(1.15)
  })
})
