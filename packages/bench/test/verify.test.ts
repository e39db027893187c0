// The check that every timed kernel has to pass: it lets rounding through and nothing else.
import { standardAttention, tensor } from '@attn/core'
import { causal, slidingWindow } from '@attn/masks'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normalArray } from '../src/inputs/normal.ts'
import { expectRows, verifyRows } from '../src/verify/expectation.ts'
import type { BlockInputs } from '../src/verify/expectation.ts'
import { sampleBlocks } from '../src/verify/sample.ts'

const length = 20
const headDim = 8
const key = normalArray(2, length * headDim)
const value = normalArray(3, length * headDim)
const queries = normalArray(1, length * headDim)

const blocks: BlockInputs[] = sampleBlocks(1, length).map((block) => ({
  ...block,
  query: queries.slice(block.firstRow * headDim, (block.firstRow + block.rows) * headDim),
  key,
  value,
}))

describe.each([
  ['all keys', undefined],
  ['causal', causal()],
  ['a window', slidingWindow(3)],
] as const)('with %s', (_, mask) => {
  const whole = standardAttention(
    tensor(Float64Array.from(queries), [1, 1, length, headDim]),
    tensor(key, [1, 1, length, headDim]),
    tensor(value, [1, 1, length, headDim]),
    mask ? { mask } : {},
  ).output.storage
  const right = blocks.map(({ firstRow, rows }) =>
    Float32Array.from(whole.slice(firstRow * headDim, (firstRow + rows) * headDim)),
  )

  test.each(['float32', 'float16'] as const)('%s: the right rows pass', (dtype) => {
    const verification = verifyRows(expectRows(blocks, length, mask, dtype), right)
    expect(verification.passed).toBe(true)
    expect(verification.rows).toBe(12)
    expect(verification.error).toBeLessThan(1e-7)
  })

  test('plain float16 errs far more than plain float32, and neither much', () => {
    const [single, half] = (['float32', 'float16'] as const).map(
      (dtype) => expectRows(blocks, length, mask, dtype).plainError,
    )
    expect(single).toBeLessThan(1e-6)
    expect(half).toBeGreaterThan(100 * single!)
    expect(half).toBeLessThan(1e-2)
  })

  test('one wrong number fails, and so does NaN', () => {
    const expectation = expectRows(blocks, length, mask, 'float32')
    for (const wrong of [1e-5, Number.NaN]) {
      const changed = right.map((rows) => rows.slice())
      changed[1]![5]! += wrong
      expect(verifyRows(expectation, changed).passed).toBe(false)
    }
  })

  test('a missing row fails', () => {
    const expectation = expectRows(blocks, length, mask, 'float32')
    const short = right.map((rows) => rows.subarray(0, headDim))
    expect(verifyRows(expectation, short).passed).toBe(false)
  })
})

test('sampled blocks lie in the sequence, do not overlap, and reach both ends', () => {
  const sizes = fc.record({
    heads: fc.integer({ min: 1, max: 100 }),
    queryLength: fc.integer({ min: 1, max: 100_000 }),
  })
  fc.assert(
    fc.property(sizes, ({ heads, queryLength }) => {
      const sampled = sampleBlocks(heads, queryLength)
      expect(new Set(sampled.map(({ head }) => head))).toEqual(new Set([0, heads - 1]))
      const ofFirst = sampled.filter(({ head }) => head === 0)
      const rows = ofFirst.flatMap((block) =>
        Array.from({ length: block.rows }, (_, row) => block.firstRow + row),
      )
      expect(new Set(rows).size).toBe(rows.length)
      expect(Math.min(...rows)).toBe(0)
      expect(Math.max(...rows)).toBe(queryLength - 1)
    }),
  )
})

test('inputs are spread as a normal distribution is, and streams differ', () => {
  const numbers = normalArray(7, 10_000)
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length
  const variance = numbers.reduce((sum, number) => sum + number ** 2, 0) / numbers.length
  expect(Math.abs(mean)).toBeLessThan(0.05)
  expect(Math.abs(variance - 1)).toBeLessThan(0.05)
  expect(normalArray(8, 4)).not.toEqual(numbers.slice(0, 4))
})
