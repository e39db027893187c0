import { describe, expect, it } from 'vitest'
import {
  blockMapStatistics,
  createBlockMap,
  mask,
  maskFromTensor,
  relation,
  transposeBlockMap,
} from '@attn/core'
import type { Mask } from '@attn/core'

const length = 2 ** 20
const million = { batch: 1, heads: 1, queryLength: length, keyLength: length }
const tiles = { queryBlockSize: 64, keyBlockSize: 64 }

const causal = mask('causal', ({ query, key }) => key.le(query))
const window = mask('window', ({ query, key }) => query.sub(key).abs().lt(1024))
const causalWindow = mask('causalWindow', ({ query, key }) =>
  key.le(query).and(key.gt(query.sub(1024))),
)

let state = 1
const next = (below: number): number => {
  state = (state * 48271) % 2147483647
  return state % below
}
const chosen = relation(
  'chosen',
  Array.from({ length: length / 64 }, () => [next(16384), next(16384), next(16384)]),
)
const random = mask('random', ({ query, key }) =>
  chosen.contains(query.floorDiv(64), key.floorDiv(64)),
)

// A quarter of a second is usual for the slowest; the limit only catches work that grows with L x S.
const limit = 3000

function time(work: () => void): number {
  const start = performance.now()
  work()
  return performance.now() - start
}

describe('planning a million tokens', () => {
  it.each<[string, Mask, number]>([
    ['causal', causal, 134_225_920],
    ['a window', window, 540_400],
    ['causal and a window', causalWindow, 278_392],
  ])('looks only at the edge: %s', (_, pattern, visited) => {
    let found = 0
    const spent = time(() => {
      const map = createBlockMap(pattern, million, tiles)
      found = blockMapStatistics(map).visited
      transposeBlockMap(map)
    })
    expect(found).toBe(visited)
    expect(spent).toBeLessThan(limit)
  })

  it('sees that a pattern without empty tiles repeats', () => {
    let found = 0
    const spent = time(() => {
      const strided = mask('strided', ({ query, key }) =>
        query.sub(key).mod(64).eq(0).and(key.le(query)),
      )
      found = blockMapStatistics(createBlockMap(strided, million, tiles)).partial
    })
    expect(found).toBe(134_225_920)
    expect(spent).toBeLessThan(limit)
  })

  it('finds random blocks by binary search', () => {
    let found = 0
    const spent = time(() => {
      const { visited, full } = blockMapStatistics(createBlockMap(random, million, tiles))
      expect(full).toBe(visited)
      found = visited
    })
    expect(found).toBe(chosen.relation.members.length)
    expect(spent).toBeLessThan(2 * limit)
  })

  it('reads a large tensor once', () => {
    const side = 4096
    const values = new Uint8Array(side * side)
    for (let row = 0; row < side; row++) values.fill(1, row * side, row * side + row + 1)
    const tensor = maskFromTensor(values, [1, 1, side, side])
    const shape = { ...million, queryLength: side, keyLength: side }
    const expected = createBlockMap(causal, shape, tiles)
    const spent = time(() => expect(createBlockMap(tensor, shape, tiles)).toEqual(expected))
    expect(spent).toBeLessThan(limit)
  })
})
