// Masks of every kind, for tests of block maps.
import { booleanTable, integerParameter, integerTable, mask, relation } from '@attn/core'
import type { Mask } from '@attn/core'

const documents = integerTable('documents', [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3])
const chosen = relation('chosen', [[0, 3], [1], [], [2, 0, 1], [4]])
const layout = booleanTable('layout', [1, 0, 1, 1, 0, 1], [2, 3])
const width = integerParameter('width', { minimum: 0, maximum: 64 })

/** By name; undefined is no mask. Parameter: `width`. */
export const patterns: Readonly<Record<string, Mask | undefined>> = {
  everything: undefined,
  nothing: mask('nothing', ({ key }) => key.lt(0)),
  causal: mask('causal', ({ query, key }) => key.le(query)),
  window: mask('window', ({ query, key }) => query.sub(key).abs().le(9)),
  causalWindow: mask('causalWindow', ({ query, key }) =>
    key.le(query).and(key.gt(query.sub(width))),
  ),
  strided: mask('strided', ({ query, key }) => query.sub(key).mod(8).eq(0).and(key.le(query))),
  dilated: mask('dilated', ({ query, key }) => {
    const distance = query.sub(key)
    return distance.abs().le(24).and(distance.mod(6).eq(0))
  }),
  summaries: mask('summaries', ({ query, key }) =>
    query.floorDiv(8).eq(key.floorDiv(8)).or(key.mod(8).ge(6)).and(key.le(query)),
  ),
  blockSummaries: mask('blockSummaries', ({ query, key }) => {
    const block = key.floorDiv(4)
    return block
      .mod(4)
      .eq(3)
      .or(block.eq(query.floorDiv(4)))
      .and(key.le(query))
  }),
  prefix: mask('prefix', ({ query, key }) => key.lt(11).or(key.le(query))),
  documents: mask('documents', ({ query, key }) => documents.at(query).eq(documents.at(key))),
  random: mask('random', ({ query, key }) => chosen.contains(query.floorDiv(8), key.floorDiv(8))),
  layout: mask('layout', ({ head, query, key }) =>
    layout.at(head.add(query.floorDiv(16)).mod(2), key.floorDiv(16)),
  ),
  perHead: mask('perHead', ({ head, query, key }) => query.sub(key).lt(head.add(1).mul(5))),
  perSequence: mask('perSequence', ({ batch, key }) => key.floorDiv(6).eq(batch).not()),
  byRow: mask('byRow', ({ queryIndex, queryLength, key, keyLength }) =>
    queryIndex.add(3).mul(keyLength).ge(key.mul(queryLength)),
  ),
  decayed: mask('decayed', ({ query, key }) =>
    query.sub(key).abs().toFloat().mul(-0.3).exp().ge(0.01),
  ),
}

/** Lengths, offsets and tiles that do not fit one another. */
export const frames: readonly (readonly [
  name: string,
  lengths: {
    readonly queryLength: number
    readonly keyLength: number
    readonly queryOffset?: number | readonly number[]
    readonly keyLengths?: readonly number[]
  },
  queryBlockSize: number,
  keyBlockSize: number,
])[] = [
  ['whole tiles', { queryLength: 32, keyLength: 32 }, 8, 8],
  ['many tiles', { queryLength: 150, keyLength: 170 }, 8, 8],
  ['many tiles of other sizes', { queryLength: 160, keyLength: 131 }, 4, 6],
  ['ragged ends', { queryLength: 37, keyLength: 45 }, 8, 16],
  ['tall tiles', { queryLength: 41, keyLength: 29 }, 13, 4],
  ['one query', { queryLength: 1, keyLength: 70 }, 16, 8],
  ['one tile', { queryLength: 5, keyLength: 7 }, 64, 64],
  ['tiles of one pair', { queryLength: 11, keyLength: 13 }, 1, 1],
  ['an offset', { queryLength: 20, keyLength: 40, queryOffset: 3 }, 4, 8],
  ['a negative offset', { queryLength: 20, keyLength: 40, queryOffset: -6 }, 4, 8],
  ['key lengths', { queryLength: 17, keyLength: 40, keyLengths: [40, 0, 19] }, 4, 8],
  [
    'offsets and key lengths',
    { queryLength: 17, keyLength: 40, queryOffset: [0, 23, 9], keyLengths: [32, 40, 26] },
    8,
    4,
  ],
]
