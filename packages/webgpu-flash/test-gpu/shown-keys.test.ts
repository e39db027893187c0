// Masks that show a row all keys between two, on subgroup matrices where the adapter has them: ends inside of
// tiles, at their edges and beyond all keys, rows that see nothing, ends that are looked up or vary with heads.
import { integerTable, mask, standardAttention, tensorFrom, toFloat64Array } from '@attn/core'
import type { AttentionOptions, Mask } from '@attn/core'
import { afterAll, describe, expect, it } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()
const [batch, heads, dims] = [2, 3, 16]
const noise = (seed: number): number => (Math.abs(Math.sin(seed * 12.9898) * 43758.5453) % 1) - 0.5

const starts = integerTable('starts', [5, 0, 63, 17, -4, 31, 90, 8, 48])
const masks: readonly Mask[] = [
  mask('causal', ({ query, key }) => key.le(query)),
  mask('window20', ({ query, key }) => query.sub(key).lt(20).and(query.sub(key).ge(0))),
  mask('farAway', ({ query, key }) => key.ge(query.add(40)).and(key.lt(query.add(48)))),
  mask('fromTable', ({ query, key }) => {
    const start = starts.at(query.floorDiv(7))
    return key.ge(start).and(key.lt(start.add(16)))
  }),
  mask('byHead', ({ head, query, key }) =>
    key.le(query).and(key.ge(query.sub(head.mul(16).add(8)))),
  ),
]
const lengths: readonly (readonly [number, number])[] = [
  [64, 64],
  [50, 77],
]
const cases = lengths.flatMap(([queries, keys]) =>
  masks.map((shown) => ({ name: shown.name, queries, keys, shown })),
)

describe.skipIf(!gpu)('keys between two', () => {
  let flash: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (flash ??= createFlashAttention({ gpu: gpu! }))
  afterAll(async () => (await flash)?.destroy())

  it.each(cases)(
    '$name, $queries queries and $keys keys',
    async ({ queries, keys, shown }) => {
      const random = (rows: number, seed: number) =>
        tensorFrom(
          Float32Array.from({ length: batch * heads * rows * dims }, (_, i) => noise(seed + i)),
          [batch, heads, rows, dims],
          'float16',
        )
      const [query, key, value] = [random(queries, 1), random(keys, 2), random(keys, 3)]
      const options: AttentionOptions = { mask: shown, keyLengths: [keys, keys - 11] }
      const { output, logSumExp } = await (await library()).attention(query, key, value, options)
      const wanted = standardAttention(query, key, value, options)
      const [sums, exact] = [toFloat64Array(logSumExp), toFloat64Array(wanted.logSumExp)]
      expect(Array.from(sums, Number.isFinite)).toEqual(Array.from(exact, Number.isFinite))
      const finite = sums.map((sum, i) => (Number.isFinite(sum) ? Math.abs(sum - exact[i]!) : 0))
      expect(Math.max(...finite)).toBeLessThan(1e-3)
      const expected = toFloat64Array(wanted.output)
      const errors = toFloat64Array(output).map((one, i) => Math.abs(one - expected[i]!))
      expect(Math.max(...errors)).toBeLessThan(1e-3)
    },
    120_000,
  )
})
