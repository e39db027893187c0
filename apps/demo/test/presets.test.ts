// The text of a pattern is the pattern, and the orders that the text suggests are no worse.
import { compile, planSparsity, type Mask } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { parseMask } from '../src/rooms/mask/expression/parse-mask.ts'
import { maskChoices } from '../src/rooms/mask/settings/masks.ts'

const length = 96
const numbers = {
  prefix: 30,
  window: 11,
  dilation: 3,
  sinks: 3,
  recent: 12,
  block: 7,
  sides: 5,
  globals: 2,
  stride: 12,
  summary: 3,
}
const shape = { batch: 1, heads: 1, queryLength: length, keyLength: length }

function visible(mask: Mask | undefined): string {
  const allows = mask ? compile(mask.expression) : () => 1
  const point = { batch: 0, head: 0, heads: 1, queryLength: length, keyLength: length }
  return Array.from({ length: length ** 2 }, (_, pair) => {
    const query = Math.floor(pair / length)
    return allows({ ...point, query, queryIndex: query, key: pair % length }) ? '#' : '.'
  }).join('')
}

const withText = maskChoices.filter(({ text }) => text !== undefined)

describe('the text of a pattern', () => {
  test('there is one for most', () => expect(withText.length).toBeGreaterThan(8))

  test.each(withText)('$label is the same mask', ({ text, build }) => {
    const sizes = { ...shape, kvHeads: 1, headDim: 8, valueDim: 8 }
    const own = parseMask(text!).build(numbers)
    expect(visible(own)).toBe(visible(build(numbers, sizes)))
  })

  test.each(['strided', 'fixed', 'dilated-window'])('%s is reordered as the pattern is', (id) => {
    const { text, build } = maskChoices.find((choice) => choice.id === id)!
    const sizes = { queryBlockSize: 16, keyBlockSize: 16 }
    const larger = { ...numbers, stride: 64, summary: 4, dilation: 16 }
    const long = { batch: 1, heads: 1, queryLength: 2048, keyLength: 2048 }
    const ofText = planSparsity(parseMask(text!).build(larger), long, sizes)
    const ofPattern = planSparsity(
      build(larger, { ...long, kvHeads: 1, headDim: 8, valueDim: 8 })!,
      long,
      sizes,
    )
    const least = (plan: typeof ofText): number => plan.candidates[plan.chosen]!.tiles
    expect(least(ofText)).toBeLessThan(ofText.candidates[0]!.tiles)
    expect(least(ofText)).toBeLessThanOrEqual(least(ofPattern))
  })
})

test('the parts of a text are what stands between its ors', () => {
  expect(parseMask('k <= q && q - k < w || (k < 4 || h == (b - 1) * 2)').parts).toEqual([
    'k <= q && q - k < w',
    'k < 4',
    'h == (b - 1) * 2',
  ])
})
