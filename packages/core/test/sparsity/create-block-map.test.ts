import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blockMapRow,
  booleanTable,
  compile,
  createBlockMap,
  integerParameter,
  integerTable,
  mask,
  maskFromTensor,
  relation,
} from '@attn/core'
import type { BlockMapShape, BlockSizes, Mask } from '@attn/core'

/** Every tile of every sequence and head: '.' empty, '+' partial, '#' full. */
function bruteForce(pattern: Mask | undefined, shape: BlockMapShape, sizes: BlockSizes): string {
  const allows = pattern
    ? compile(pattern.expression, { parameters: shape.parameters ?? {} })
    : () => 1
  const { queryBlockSize, keyBlockSize } = sizes
  const lines: string[] = []
  for (let batch = 0; batch < shape.batch; batch++) {
    const keysThatCount = shape.keyLengths?.[batch] ?? shape.keyLength
    const { queryOffset = keysThatCount - shape.queryLength } = shape
    const offset = typeof queryOffset === 'number' ? queryOffset : queryOffset[batch]!
    for (let head = 0; head < shape.heads; head++) {
      for (let row = 0; row < shape.queryLength; row += queryBlockSize) {
        let line = ''
        for (let column = 0; column < shape.keyLength; column += keyBlockSize) {
          let visible = 0
          let pairs = 0
          for (let i = row; i < Math.min(row + queryBlockSize, shape.queryLength); i++) {
            for (let key = column; key < column + keyBlockSize; key++) {
              pairs++
              const point = {
                batch,
                head,
                queryIndex: i,
                query: offset + i,
                key,
                queryLength: shape.queryLength,
                keyLength: shape.keyLength,
                heads: shape.heads,
              }
              if (key < keysThatCount && allows(point)) visible++
            }
          }
          line += visible === 0 ? '.' : visible === pairs ? '#' : '+'
        }
        lines.push(line)
      }
    }
  }
  return lines.join('\n')
}

/** The same picture, read from a block map. */
function fromMap(pattern: Mask | undefined, shape: BlockMapShape, sizes: BlockSizes): string {
  const map = createBlockMap(pattern, shape, sizes)
  const lines: string[] = []
  for (let batch = 0; batch < shape.batch; batch++) {
    for (let head = 0; head < shape.heads; head++) {
      for (let block = 0; block < map.queryBlocks; block++) {
        const tiles = Array<string>(map.keyBlocks).fill('.')
        for (const { start, end, full } of blockMapRow(map, batch, head, block)) {
          tiles.fill(full ? '#' : '+', start, end)
        }
        lines.push(tiles.join(''))
      }
    }
  }
  return lines.join('\n')
}

const documents = integerTable('documents', [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3])
const chosen = relation('chosen', [[0, 3], [1], [], [2, 0, 1], [4]])
const layout = booleanTable('layout', [1, 0, 1, 1, 0, 1], [2, 3])
const window = integerParameter('window', { minimum: 0, maximum: 64 })

const patterns: Record<string, Mask | undefined> = {
  everything: undefined,
  nothing: mask('nothing', ({ key }) => key.lt(0)),
  causal: mask('causal', ({ query, key }) => key.le(query)),
  window: mask('window', ({ query, key }) => query.sub(key).abs().le(9)),
  causalWindow: mask('causalWindow', ({ query, key }) =>
    key.le(query).and(key.gt(query.sub(window))),
  ),
  strided: mask('strided', ({ query, key }) => query.sub(key).mod(8).eq(0).and(key.le(query))),
  summaries: mask('summaries', ({ query, key }) =>
    query.floorDiv(8).eq(key.floorDiv(8)).or(key.mod(8).ge(6)).and(key.le(query)),
  ),
  prefix: mask('prefix', ({ query, key }) => key.lt(11).or(key.le(query))),
  documents: mask('documents', ({ query, key }) => documents.at(query).eq(documents.at(key))),
  random: mask('random', ({ query, key }) => chosen.contains(query.floorDiv(8), key.floorDiv(8))),
  layout: mask('layout', ({ head, query, key }) =>
    layout.at(head.add(query.floorDiv(16)).mod(2), key.floorDiv(16)),
  ),
  perHead: mask('perHead', ({ head, query, key }) => query.sub(key).lt(head.add(1).mul(5))),
  perSequence: mask('perSequence', ({ batch, key }) => key.floorDiv(6).eq(batch).not()),
  decayed: mask('decayed', ({ query, key }) =>
    query.sub(key).abs().toFloat().mul(-0.3).exp().ge(0.01),
  ),
}

describe.each(Object.keys(patterns))('createBlockMap of %s', (name) => {
  it.each<[string, Omit<BlockMapShape, 'batch' | 'heads'>, BlockSizes]>([
    ['whole tiles', { queryLength: 32, keyLength: 32 }, { queryBlockSize: 8, keyBlockSize: 8 }],
    ['ragged', { queryLength: 37, keyLength: 45 }, { queryBlockSize: 8, keyBlockSize: 16 }],
    ['tall tiles', { queryLength: 41, keyLength: 29 }, { queryBlockSize: 13, keyBlockSize: 4 }],
    ['one query', { queryLength: 1, keyLength: 70 }, { queryBlockSize: 16, keyBlockSize: 8 }],
    ['one tile', { queryLength: 5, keyLength: 7 }, { queryBlockSize: 64, keyBlockSize: 64 }],
    [
      'offset',
      { queryLength: 20, keyLength: 40, queryOffset: 3 },
      { queryBlockSize: 4, keyBlockSize: 8 },
    ],
    [
      'lengths of its own',
      { queryLength: 17, keyLength: 40, keyLengths: [40, 0, 19] },
      { queryBlockSize: 4, keyBlockSize: 8 },
    ],
    [
      'offsets of its own',
      { queryLength: 17, keyLength: 40, queryOffset: [0, 23, 9], keyLengths: [32, 40, 26] },
      { queryBlockSize: 8, keyBlockSize: 4 },
    ],
  ])('is what evaluating every pair finds: %s', (_, lengths, sizes) => {
    const shape = { batch: 3, heads: 2, parameters: { window: 12 }, ...lengths }
    expect(fromMap(patterns[name], shape, sizes)).toBe(bruteForce(patterns[name], shape, sizes))
  })
})

describe('createBlockMap', () => {
  it('agrees with a dense mask of random values', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 3 }),
        fc.infiniteStream(fc.nat(7)),
        (queryLength, keyLength, queryBlockSize, keyBlockSize, level, numbers) => {
          const values = Array.from(
            { length: queryLength * keyLength },
            () => numbers.next().value! > 2 * level,
          )
          const pattern = maskFromTensor(values, [1, 1, queryLength, keyLength])
          const shape = { batch: 1, heads: 1, queryLength, keyLength }
          const sizes = { queryBlockSize, keyBlockSize }
          expect(fromMap(pattern, shape, sizes)).toBe(bruteForce(pattern, shape, sizes))
        },
      ),
    )
  })
})
