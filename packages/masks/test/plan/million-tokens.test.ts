// Block maps of long sequences cost work in proportion to what they say, not to pairs: counted in looks at
// rectangles, which a busy machine does not change.
import { beforeEach, expect, test, vi } from 'vitest'
import { createBlockMap } from '@attn/core'
import { patternsOf } from '../../bench/patterns.ts'

const counted = vi.hoisted(() => ({ looks: 0 }))

vi.mock(import('../../../core/src/expression/bounds.ts'), async (original) => {
  const actual = await original()
  return {
    ...actual,
    compileBounds: (expression, environment) => {
      const evaluate = actual.compileBounds(expression, environment)
      return (box) => {
        counted.looks++
        return evaluate(box)
      }
    },
  }
})

const length = 2 ** 18
const tiles = length / 64

// 16.8 million tiles and 69 billion pairs. Most patterns take fewer than 100 000 looks.
const mostLooks = 2_000_000
const mostBytes = 64 * 2 ** 20

beforeEach(() => {
  counted.looks = 0
})

test.each(Object.entries(patternsOf(length)))('%s', (_, { make, heads = 1 }) => {
  const map = createBlockMap(
    make(),
    { batch: 1, heads, queryLength: length, keyLength: length },
    { queryBlockSize: 64, keyBlockSize: 64 },
  )
  expect(counted.looks).toBeGreaterThan(0)
  expect(counted.looks).toBeLessThan(mostLooks)
  expect(map.rowOffsets).toHaveLength(map.heads * tiles + 1)
  expect(map.runs.byteLength).toBeLessThan(mostBytes)
})
