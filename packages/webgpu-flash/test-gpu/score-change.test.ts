// Score modifiers whose values are computed at different places: biases by distance near the diagonal
// and far from it, tables by row and column, and more of them than a kernel keeps in registers.
import { booleanTable, floatTable, integerTable, mask, scoreModifier } from '@attn/core'
import type { ScoreModifier } from '@attn/core'
import { afterAll, describe, expect, test } from 'vitest'
import { checkForward, conformanceCase, randomNumbers } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'

const gpu = await acquireGpu()
const heads = 3

const numbers = (seed: number, ...shape: number[]): ReturnType<typeof floatTable> =>
  floatTable(
    `table${seed}`,
    randomNumbers(
      seed,
      shape.reduce((product, size) => product * size, 1),
    ),
    shape,
  )
const slopes = numbers(1, heads)
const buckets = integerTable(
  'buckets',
  Array.from({ length: 40 }, (_, i) => Math.floor(Math.log2(i + 1))),
)
const bias = numbers(2, 12, heads)
const byDistance = numbers(3, 30, heads)
const byRowAndColumn = numbers(4, heads, 5, 7)
const near = booleanTable('near', [1, 1, 0, 1, 0])

const alibi = scoreModifier('alibi', (score, { head, query, key }) =>
  score.sub(slopes.at(head).mul(query.sub(key))),
)
const bucketBias = scoreModifier('bucketBias', (score, { head, query, key }) =>
  score.add(bias.at(buckets.at(query.sub(key)), head)),
)
const twoSided = scoreModifier('twoSided', (score, { head, query, key }) => {
  const distance = query.sub(key)
  return score.add(bias.at(buckets.at(distance.abs()).add(key.gt(query).select(6, 0)), head))
})

const modifiers: Readonly<Record<string, readonly ScoreModifier[]>> = {
  'a linear bias': [alibi],
  'a bias by bucket': [bucketBias],
  'a bias by bucket on both sides': [twoSided],
  'three in a row': [bucketBias, alibi, twoSided],
  'a table whose first axis is the distance': [
    scoreModifier('first', (score, { head, query, key }) =>
      score.add(byDistance.at(query.sub(key).add(4), head)),
    ),
  ],
  'multiples of query and key': [
    scoreModifier('multiples', (score, { head, query, key }) =>
      score.add(byDistance.at(query.mul(3).sub(key.mul(2)), head)),
    ),
  ],
  'floats of magnitudes and extremes of the distance': [
    scoreModifier('magnitudes', (score, { query, key }) => {
      const distance = query.sub(key)
      const capped = distance.abs().min(50).max(key.mod(7)).toFloat()
      return score.sub(capped.mul(0.1)).add(distance.neg().toFloat().mul(0.01))
    }),
  ],
  'a truth by distance': [
    scoreModifier('truth', (score, { query, key }) =>
      near.at(query.sub(key)).select(score.mul(2), score),
    ),
  ],
  'rows and columns of a table': [
    scoreModifier('rows', (score, { head, queryIndex, key }) =>
      score.add(byRowAndColumn.at(head, queryIndex.mod(5), key.mod(7))),
    ),
  ],
}

const many = scoreModifier('many', (score, { head, query, key }) => {
  let sum = score
  for (let i = 0; i < 9; i++) {
    sum = sum
      .add(slopes.at(head.add(i - 4)).mul(0.1))
      .add(byDistance.at(query.add(i).sub(key), head).mul(0.1))
    if (i < 5) sum = sum.add(byRowAndColumn.at(head, query.sub(i), key.sub(i)).mul(0.1))
  }
  return sum
})

describe.skipIf(!gpu)('score modifiers', () => {
  let flash: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (flash ??= createFlashAttention({ gpu: gpu! }))
  afterAll(async () => (await flash)?.destroy())

  const causal = mask('causal', ({ query, key }) => key.le(query))
  const layouts = [
    ['causal', { queryLength: 150, keyLength: 150 }, { mask: causal }],
    ['last rows of many keys', { queryLength: 37, keyLength: 190 }, {}],
    ['queries from before the first key on', { queryLength: 90 }, { queryOffset: -50 }],
  ] as const

  test('more tables than stay in registers', async () => {
    expect.hasAssertions()
    const each = conformanceCase('many', { queryLength: 70, heads }, { scoreModifiers: [many] })
    await checkForward(each, async (...call) => (await library()).attention(...call))
  })

  describe.each(layouts)('%s', (name, sizes, options) => {
    test.each(Object.entries(modifiers))('%s', async (modifier, scoreModifiers) => {
      expect.hasAssertions()
      const all = { ...options, scoreModifiers }
      const each = conformanceCase(`${name}: ${modifier}`, { ...sizes, heads, batch: 2 }, all)
      await checkForward(each, async (...call) => (await library()).attention(...call))
    })
  })
})
