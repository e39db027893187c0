// Attention weights on the CPU: the suite that every backend runs, and what is refused.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  attentionWeights,
  flashAttention,
  standardAttention,
  toFloat64Array,
  zeros,
} from '../../src/index.ts'
import { describeWeights } from '../conformance/index.ts'
import { arbitraryCall } from './arbitrary-call.ts'

describeWeights('attentionWeights', async (query, key, options, choice) =>
  attentionWeights(query, key, { ...options, ...choice }),
)

const x = zeros([1, 2, 3, 4])

describe('attentionWeights', () => {
  test('the sum over queries of all chosen rows is the sum of parts of them', () => {
    fc.assert(
      fc.property(arbitraryCall(9), fc.nat(), ({ query, key, options }, cut) => {
        const length = query.shape[2]!
        const middle = 1 + (cut % length)
        const over = (start: number, end: number): Float64Array =>
          start === end
            ? new Float64Array(query.shape[0]! * query.shape[1]! * key.shape[2]!)
            : toFloat64Array(
                attentionWeights(query, key, {
                  ...options,
                  queries: [start, end],
                  reduce: 'sum over queries',
                }),
              )
        const [first, second] = [over(0, middle), over(middle, length)]
        over(0, length).forEach((sum, index) =>
          expect(first[index]! + second[index]!).toBeCloseTo(sum, 10),
        )
      }),
      { numRuns: 100 },
    )
  })

  test('float64 for float64', () => {
    const query = zeros([1, 1, 2, 1], 'float64')
    expect(attentionWeights(query, query).dtype).toBe('float64')
    expect(attentionWeights(query, zeros([1, 1, 2, 1])).dtype).toBe('float32')
  })

  test.each<[object, RegExp]>([
    [{ queries: [0, 4] }, /^attentionWeights: queries must be \[start, end\].*got \[0, 4\]$/],
    [{ queries: [2, 2] }, /0 <= start < end <= 3, got \[2, 2\]$/],
    [{ queries: 2 }, /got 2$/],
    [{ heads: [] }, /heads must be a list of query heads in 0\.\.1, got \[\]$/],
    [{ heads: [0, 1.5] }, /got \[0, 1\.5\]$/],
    [{ heads: 1 }, /got 1$/],
    [{ reduce: 'mean' }, /reduce must be none, .*mean over heads, got mean$/],
    [{ rows: [0, 1] }, /there is no option rows/],
  ])('refuses %j', (options, message) => {
    expect(() => attentionWeights(x, x, options)).toThrow(message)
  })
})

describe('rowMaximum', () => {
  test('the largest score of each row, with which both algorithms agree and sinks have nothing to do', () => {
    fc.assert(
      fc.property(
        arbitraryCall(9),
        fc.constantFrom('queries-outside' as const, 'keys-outside' as const),
        ({ query, key, value, options }, loopOrder) => {
          const sinks = new Float32Array(query.shape[1]!).fill(1000)
          const { rowMaximum, scores } = standardAttention(query, key, value, {
            ...options,
            sinks,
            rowMaximum: true,
          })
          const keys = key.shape[2]!
          rowMaximum!.storage.forEach((largest, row) => {
            expect(largest).toBe(Math.max(...scores.storage.slice(row * keys, (row + 1) * keys)))
          })
          const flash = flashAttention(query, key, value, {
            ...options,
            sinks,
            rowMaximum: true,
            loopOrder,
            keyBlockSize: 2,
          })
          expect(flash.rowMaximum).toEqual(rowMaximum)
        },
      ),
      { numRuns: 100 },
    )
  })

  test('is not there unless it is asked for', () => {
    expect(standardAttention(x, x, x)).not.toHaveProperty('rowMaximum')
    expect(flashAttention(x, x, x, { rowMaximum: false })).not.toHaveProperty('rowMaximum')
    expect(() => flashAttention(x, x, x, { rowMaximum: 1 as never })).toThrow(
      /^flashAttention: rowMaximum must be true or false, got 1$/,
    )
  })
})
