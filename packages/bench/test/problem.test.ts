// What is computed, how many operations count, and which options make sense.
import { evaluate } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseLength, parseLengths, parsePositive } from '../src/cli/arguments.ts'
import {
  checkProblem,
  defaultProblem,
  maskOf,
  methods,
  usefulOperations,
  visiblePairs,
} from '../src/suites/problem.ts'
import type { Problem } from '../src/suites/problem.ts'

const problem: Problem = defaultProblem('gpu')

describe('visiblePairs', () => {
  test('counts what the mask allows', () => {
    const sizes = fc.record({
      length: fc.integer({ min: 1, max: 40 }),
      window: fc.integer({ min: 1, max: 50 }),
      causal: fc.boolean(),
      method: fc.constantFrom(...methods),
    })
    fc.assert(
      fc.property(sizes, ({ length, window, causal, method }) => {
        const changed = { ...problem, window, causal }
        const mask = maskOf(changed, method)
        let count = 0
        for (let query = 0; query < length; query++) {
          for (let key = 0; key < length; key++) {
            count += mask ? evaluate(mask.expression, { query, key }) : 1
          }
        }
        expect(visiblePairs(changed, method, length)).toBe(count)
      }),
    )
  })

  test('makes 4 H L^2 D operations of dense attention', () => {
    expect(usefulOperations(problem, 'flash', 4096)).toBe(4 * 16 * 4096 ** 2 * 64)
  })
})

describe('checkProblem', () => {
  test('takes the defaults of every kind of device', () => {
    for (const kind of ['gpu', 'software', 'cpu'] as const) {
      expect(() => checkProblem(defaultProblem(kind))).not.toThrow()
    }
  })

  test.each([
    [{ lengths: [] }, 'attn run: needs at least one length, got none'],
    [{ lengths: [16, 0] }, 'attn run: length must be a positive integer, got 0'],
    [{ heads: 1.5 }, 'attn run: heads must be a positive integer, got 1.5'],
    [{ window: -1 }, 'attn run: window must be a positive integer, got -1'],
    [{ headDim: 6 }, 'attn run: headDim must be a multiple of four and at most 256, got 6'],
    [{ headDim: 512 }, 'attn run: headDim must be a multiple of four and at most 256, got 512'],
    [{ dtype: 'float64' as 'float32' }, 'attn run: dtype must be float32 or float16, got float64'],
  ])('refuses %o', (change: Partial<Problem>, message) => {
    expect(() => checkProblem({ ...problem, ...change })).toThrow(message)
  })
})

describe('words of the command line', () => {
  test('lengths may be in k', () => {
    expect(parseLengths('1k,2K, 4096')).toEqual([1024, 2048, 4096])
  })

  test.each(['', '0', '-1', '1.5', '1e3', '4m', '99999999999999999999'])(
    '%j is no length',
    (word) => expect(() => parseLength(word)).toThrow('must be a positive integer'),
  )

  test('positive numbers may have a fraction', () => {
    expect(parsePositive('0.5')).toBe(0.5)
    for (const word of ['0', '-1', 'x', 'Infinity']) {
      expect(() => parsePositive(word)).toThrow('must be a positive number')
    }
  })
})
