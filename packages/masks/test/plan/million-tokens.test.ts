// Planning a million tokens: patterns made of whole tiles take a fraction of a second, because bounds
// decide rectangles and not pairs.
import { createBlockMap } from '@attn/core'
import { expect, test } from 'vitest'
import { everyPattern } from '../support/every-pattern.ts'

const length = 2 ** 20
const tile = 64

/** Patterns that touch millions of tiles in natural order, or have a map for each head. */
const withoutBlockStructure = [
  'not',
  'deepSpeedFixed',
  'deepSpeedFixed, patterns',
  'strided, three heads',
  'fixed, sub-blocks',
  'maskFromBlocks',
  'axial',
  'randomKeys',
  'bigBirdTokens',
]

const patterns = everyPattern(length, tile).filter(
  ([name]) => !withoutBlockStructure.includes(name),
)

// Half a second of one core is usual for the slowest; the limit only catches work that grows with L x S.
const mostSeconds = 5
const mostRuns = 16_000_000

test.each(patterns)('%s', (_, pattern) => {
  const before = process.cpuUsage()
  const map = createBlockMap(
    pattern,
    { batch: 1, heads: 1, queryLength: length, keyLength: length },
    { queryBlockSize: tile, keyBlockSize: tile },
  )
  const { user } = process.cpuUsage(before)
  expect(user / 1e6).toBeLessThan(mostSeconds)
  expect(map.runs.length / 2).toBeLessThan(mostRuns)
})
