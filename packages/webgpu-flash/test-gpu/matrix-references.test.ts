// The matrix kernel keeps the reference of a row that it begins with: what it does where scores grow
// past it, where a row's first keys are hidden, and where values are not finite. On adapters without
// subgroup matrices of float16 the plain kernel computes the same.
import {
  biasFromTensor,
  mask,
  standardAttention,
  tensor,
  toFloat16Array,
  toFloat64Array,
} from '@attn/core'
import type { AttentionOptions, Mask, Tensor } from '@attn/core'
import { afterAll, describe, expect, it } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()
const [heads, length, dims] = [2, 70, 16]
const shape = [1, heads, length, dims]

const half = (value: (head: number, row: number, dim: number) => number): Tensor => {
  const values = Float32Array.from({ length: heads * length * dims }, (_, index) =>
    value(Math.floor(index / (length * dims)), Math.floor(index / dims) % length, index % dims),
  )
  return tensor(toFloat16Array(values), shape)
}
/** Fractions that look random and repeat. */
const noise = (seed: number): number => Math.abs(Math.sin(seed * 12.9898) * 43758.5453) % 1
const noisy = (seed: number): Tensor =>
  half((head, row, dim) => noise(seed + head * 31 + row * 7.3 + dim * 1.7) - 0.5)

/** Queries of ones and keys whose scores are given, with scale 1 / dims. */
const scored = (score: (row: number) => number): { query: Tensor; key: Tensor } => ({
  query: half(() => 1),
  key: half((_head, row) => score(row)),
})
const scale = 1 / dims

const causal = mask('causal', ({ query, key }) => key.le(query))
const band = mask('band', ({ query, key }) => key.le(query).and(key.gt(query.sub(9))))
const late = mask('late', ({ query, key }) => key.ge(40).or(query.lt(3)))

describe.skipIf(!gpu)('rows that outgrow their reference', () => {
  let flash: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (flash ??= createFlashAttention({ gpu: gpu! }))
  afterAll(async () => (await flash)?.destroy())

  const cases: readonly [string, (row: number) => number, Mask | undefined][] = [
    ['scores that grow with every key', (row) => row, undefined],
    ['scores that grow beyond float16 after exp', (row) => 4 * row, causal],
    ['scores that fall', (row) => -3 * row, undefined],
    ['one huge late key', (row) => (row === 66 ? 200 : 0), undefined],
    ['one huge early key', (row) => (row === 1 ? 200 : 0), causal],
    ['first keys hidden, the others far below', (row) => (row < 40 ? 50 : -60), late],
    ['a band whose first tile few rows see', (row) => 2 * row, band],
    ['scores far below zero', () => -500, band],
  ]

  it.each(cases)('%s', async (_name, score, shown) => {
    const { query, key } = scored(score)
    const value = noisy(1)
    const options: AttentionOptions = { scale, ...(shown ? { mask: shown } : {}) }
    const errors = await largestErrors(await library(), query, key, value, options)
    expect(errors.output).toBeLessThan(1e-3)
    expect(errors.logSumExp).toBeLessThan(1e-4)
  })

  it.each([undefined, causal])(
    'a bias of the lowest float32, on some pairs and on whole rows, mask %#',
    async (shown) => {
      // What additive masks hold where they hide: a row of nothing else is the mean of its values.
      const hides = (row: number, column: number): boolean =>
        row % 3 === 0 || noise(row * 71 + column) > 0.4
      const numbers = Array.from({ length: length * length }, (_, index) =>
        hides(Math.floor(index / length), index % length) ? -3.4028234663852886e38 : 0,
      )
      const scoreModifiers = [biasFromTensor(Float64Array.from(numbers), [1, 1, length, length])]
      const options = { scoreModifiers, ...(shown ? { mask: shown } : {}) }
      const errors = await largestErrors(await library(), noisy(7), noisy(8), noisy(9), options)
      expect(errors.output).toBeLessThan(1e-3)
      expect(errors.logSumExp).toBeLessThan(1e-4)
    },
  )

  it('with dropout, whose scale the probabilities have to leave room for', async () => {
    const { query, key } = scored((row) => row / 4)
    const options = { scale, dropout: { rate: 0.875, seed: 3 } }
    const errors = await largestErrors(await library(), query, key, noisy(2), options)
    // Weights of 8 times their size.
    expect(errors.output).toBeLessThan(8e-3)
    expect(errors.logSumExp).toBeLessThan(1e-4)
  })

  it.each([NaN, Infinity])(
    'hidden values of %s reach no row that may not see them',
    async (odd) => {
      const value = half((head, row, dim) =>
        row === 50 && dim === 3 ? odd : noise(head + row + dim),
      )
      const [query, key] = [noisy(3), noisy(4)]
      const { output } = await (await library()).attention(query, key, value, { mask: causal })
      const finite = toFloat64Array(output).map((one) => Number(Number.isFinite(one)))
      // Dim 3 of rows from 50 on, and nothing else.
      const expected = finite.map((_, index) =>
        Number(!(Math.floor(index / dims) % length >= 50 && index % dims === 3)),
      )
      expect(finite).toEqual(expected)
      const clean = half((head, row, dim) =>
        row === 50 && dim === 3 ? 0 : noise(head + row + dim),
      )
      const wanted = toFloat64Array(
        (await (await library()).attention(query, key, clean, { mask: causal })).output,
      )
      const errors = toFloat64Array(output).map((one, index) =>
        expected[index] === 1 ? Math.abs(one - wanted[index]!) : 0,
      )
      expect(Math.max(...errors)).toBeLessThan(2e-3)
    },
  )

  it('keys of NaN show in the rows that see them, and in no other', async () => {
    const key = half((head, row, dim) => (row === 20 ? NaN : noise(head + row + dim)))
    const { output } = await (await library()).attention(noisy(5), key, noisy(6), { mask: causal })
    const seen = toFloat64Array(output).map((one) => Number(Number.isNaN(one)))
    expect(seen).toEqual(seen.map((_, index) => Number(Math.floor(index / dims) % length >= 20)))
  })
})

/** Largest differences from float64; of log-sum-exp relative ones. */
async function largestErrors(
  flash: FlashAttention,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions,
): Promise<{ readonly output: number; readonly logSumExp: number }> {
  const result = await flash.attention(query, key, value, options)
  const exact = standardAttention(query, key, value, options)
  const wanted = toFloat64Array(exact.output)
  const sums = toFloat64Array(exact.logSumExp)
  const output = toFloat64Array(result.output).map((one, index) => Math.abs(one - wanted[index]!))
  const logSumExp = toFloat64Array(result.logSumExp).map(
    (one, index) => Math.abs(one - sums[index]!) / Math.max(1, Math.abs(sums[index]!)),
  )
  return { output: Math.max(...output), logSumExp: Math.max(...logSumExp) }
}
