// Rows of gradients as `attn sparse --backward` expects them, with their forward pass computed from the inputs.
import { compile, standardAttention, standardAttentionBackward, tensor } from '@attn/core'
import { strided } from '@attn/masks'
import { describe, expect, it } from 'vitest'
import { exactly, gradientRows, plainly } from '../src/gradients/reference-rows.ts'
import type { GradientHead } from '../src/gradients/reference-rows.ts'
import { rowStatistics, visibleKeys } from '../src/gradients/row-statistics.ts'
import { normalArray } from '../src/inputs/normal.ts'

const [length, headDim] = [40, 8]
const mask = strided(6).merged()
const allows = compile(mask.expression)
const [query, key, value, dOutput] = [1, 2, 3, 4].map((stream) =>
  Float32Array.from(normalArray(stream, length * headDim)),
) as [Float32Array, Float32Array, Float32Array, Float32Array]
const sizes = { batch: 0, head: 0, heads: 1, queryLength: length, keyLength: length }
const head: GradientHead = {
  query,
  key,
  value,
  dOutput,
  output: new Float32Array(length * headDim),
  logSumExp: new Float32Array(length),
  headDim,
  visible: (i, j) => allows({ ...sizes, query: i, queryIndex: i, key: j }) !== 0,
}

describe('rows of gradients with their forward pass', () => {
  const keysOf = visibleKeys(head)
  const rowsAt = (position: number, dtype: 'exact' | 'float32'): Float64Array => {
    const queries = Array.from({ length }, (_, i) => i).filter((i) => head.visible(i, position))
    const precision = dtype === 'exact' ? exactly : plainly(dtype)
    const statistics = rowStatistics(head, [position, ...queries], keysOf, precision)
    return gradientRows({ ...head, ...statistics }, position, dtype)
  }

  it('are those of standard attention', () => {
    const wide = (array: Float32Array) => tensor(Float64Array.from(array), [1, 1, length, headDim])
    const inputs = [wide(query), wide(key), wide(value)] as const
    const forward = standardAttention(...inputs, { mask })
    const expected = standardAttentionBackward(...inputs, forward, wide(dOutput), { mask })
    const gradients = [expected.dQuery, expected.dKey, expected.dValue]
    for (const position of [0, 13, 39]) {
      const exact = rowsAt(position, 'exact')
      const plain = rowsAt(position, 'float32')
      const right = gradients.flatMap(({ storage }) => [
        ...(storage as Float64Array).subarray(position * headDim, (position + 1) * headDim),
      ])
      right.forEach((number, at) => {
        expect(exact[at]).toBeCloseTo(number, 12)
        expect(plain[at]).toBeCloseTo(number, 5)
      })
      expect([...plain]).not.toEqual([...exact])
    }
  })

  it('need only what is asked for', () => {
    const { logSumExp } = rowStatistics(head, [3], keysOf, exactly)
    expect(Number.isFinite(logSumExp[3])).toBe(true)
    expect(logSumExp[4]).toBe(-Infinity)
  })
})
