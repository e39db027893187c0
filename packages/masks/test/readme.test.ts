// The README's table of patterns says what is measured.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as masks from '../src/index.ts'
import type { Pattern } from '../src/index.ts'

const length = 1024
const sizes = { queryBlockSize: 32, keyBlockSize: 32 }
const deepSpeed = { seq_len: length, num_heads: 1 }
const etc = { length, construction: 'etc', globalTokens: 64, blockSize: 42 } as const
const tokens = { length, globalTokens: 64, window: 96, randomKeys: 96 }

const measured: readonly (readonly [string, Pattern])[] = [
  ['causal()', masks.causal()],
  ['slidingWindow(64)', masks.slidingWindow(64)],
  ['dilatedWindow({ left: 32, dilation: 4 })', masks.dilatedWindow({ left: 32, dilation: 4 })],
  ['blockDiagonal(64)', masks.blockDiagonal(64)],
  ['prefixLm(256)', masks.prefixLm(256)],
  ['attentionSinks({ recent: 64 })', masks.attentionSinks({ recent: 64 })],
  ['globalTokens(32)', masks.globalTokens(32)],
  [
    'randomKeys({ length: 1024, count: 3, blockSize: 32 })',
    masks.randomKeys({ length, count: 3, blockSize: 32 }),
  ],
  ['longformer({ window: 128 })', masks.longformer({ window: 128 })],
  ['bigBird({ length: 1024, blockSize: 32 })', masks.bigBird({ length, blockSize: 32 })],
  [
    "bigBird({ length: 1024, construction: 'etc', globalTokens: 64, blockSize: 42 })",
    masks.bigBird(etc),
  ],
  [
    'bigBirdTokens({ length: 1024, globalTokens: 64, window: 96, randomKeys: 96 })',
    masks.bigBirdTokens(tokens),
  ],
  ['strided(32).merged()', masks.strided(32).merged()],
  ['fixed(32, { summary: 4 }).merged()', masks.fixed(32, { summary: 4 }).merged()],
  ['axial(32).merged()', masks.axial(32).merged()],
  [
    'neighbourhood({ height: 32, width: 32, kernel: 7 })',
    masks.neighbourhood({ height: 32, width: 32, kernel: 7 }),
  ],
  ['deepSpeedFixed({ seq_len: 1024, num_heads: 1 })', masks.deepSpeedFixed(deepSpeed)],
  ['deepSpeedVariable({ seq_len: 1024, num_heads: 1 })', masks.deepSpeedVariable(deepSpeed)],
  ['deepSpeedBigBird({ seq_len: 1024, num_heads: 1 })', masks.deepSpeedBigBird(deepSpeed)],
  [
    'deepSpeedBSLongformer({ seq_len: 1024, num_heads: 1 })',
    masks.deepSpeedBSLongformer(deepSpeed),
  ],
  [
    'deepSpeedLocalSlidingWindow({ seq_len: 1024, num_heads: 1 })',
    masks.deepSpeedLocalSlidingWindow(deepSpeed),
  ],
]

const table = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()))

test.each(measured)('%s', (call, pattern) => {
  const row = table.find((cells) => cells[1] === `\`${call}\``)
  const { density, tiles } = masks.maskStatistics(pattern, length, sizes)
  const visited = (tiles.full + tiles.partial) / tiles.total
  expect(row?.slice(4, 6)).toEqual([
    `${(100 * density).toFixed(2)}%`,
    `${(100 * visited).toFixed(1)}%`,
  ])
})

test('every row with a density is measured', () => {
  expect(table.filter((cells) => cells[4] !== '')).toHaveLength(measured.length)
})
