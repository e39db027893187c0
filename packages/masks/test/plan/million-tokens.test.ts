// Block maps of long sequences cost work in proportion to what they say, not to pairs: counted in looks at
// rectangles, which a busy machine does not change.
import { expect, test } from 'vitest'
import { patternsOf } from '../../bench/patterns.ts'
import { countWork } from '../../../core/test/sparsity/counted-work.ts'

const counted = countWork()

const length = 2 ** 18
const tiles = length / 64

// 16.8 million tiles and 69 billion pairs. Most patterns take fewer than 100 000 looks.
const mostLooks = 2_000_000
const mostBytes = 64 * 2 ** 20

test.each(Object.entries(patternsOf(length)))('%s', (_, { make, heads = 1 }) => {
  const map = counted.core.createBlockMap(
    make(),
    { batch: 1, heads, queryLength: length, keyLength: length },
    { queryBlockSize: 64, keyBlockSize: 64 },
  )
  expect(counted.looks).toBeGreaterThan(0)
  expect(counted.looks).toBeLessThan(mostLooks)
  expect(map.rowOffsets).toHaveLength(map.heads * tiles + 1)
  expect(map.runs.byteLength).toBeLessThan(mostBytes)
})
