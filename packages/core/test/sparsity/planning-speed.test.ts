// What planning costs grows with the edge of a pattern, not with pairs: counted in looks at rectangles,
// which a busy machine does not change. Looks in these tests are 32 to 65,562.
import { describe, expect, it } from 'vitest'
import { blockMapStatistics, mask, maskFromTensor, relation, transposeBlockMap } from '@attn/core'
import type { Mask } from '@attn/core'
import { countWork } from './counted-work.ts'

const counted = countWork()

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

describe('planning a million tokens', () => {
  it.each<[string, Mask, number]>([
    ['causal', causal, 134_225_920],
    ['a window', window, 540_400],
    ['causal and a window', causalWindow, 278_392],
  ])('looks only at the edge: %s', (_, pattern, visited) => {
    const map = counted.core.createBlockMap(pattern, million, tiles)
    expect(blockMapStatistics(map).visited).toBe(visited)
    transposeBlockMap(map)
    expect(counted.looks).toBeGreaterThan(0)
    expect(counted.looks).toBeLessThan(1000)
  })

  it('sees that a pattern without empty tiles repeats', () => {
    const strided = mask('strided', ({ query, key }) =>
      query.sub(key).mod(64).eq(0).and(key.le(query)),
    )
    const map = counted.core.createBlockMap(strided, million, tiles)
    expect(blockMapStatistics(map).partial).toBe(134_225_920)
    expect(counted.looks).toBeGreaterThan(0)
    expect(counted.looks).toBeLessThan(200_000)
  })

  it('finds random blocks by binary search', () => {
    const { visited, full } = blockMapStatistics(
      counted.core.createBlockMap(random, million, tiles),
    )
    expect(full).toBe(visited)
    expect(visited).toBe(chosen.relation.members.length)
    expect(counted.looks).toBeGreaterThan(0)
    expect(counted.looks).toBeLessThan(200_000)
  })

  it('gives up an order that scatters the pattern', () => {
    const side = 4096
    const block = mask('block', ({ query, key }) =>
      key.le(query).and(query.floorDiv(64).eq(key.floorDiv(64))),
    )
    const stride = mask('stride', ({ query, key }) => query.sub(key).mod(64).eq(0))
    const both = mask('both', () => block.expression.or(stride.expression))
    const orders = [{ kind: 'residues', stride: 64 }] as const
    const shape = { ...million, queryLength: side, keyLength: side }
    const plan = counted.core.planSparsity({ ...both, orders }, shape, tiles)
    // The stride has the order, the blocks do without; trying it on them to the end took 20 million looks.
    expect(plan.passes.map(({ keyOrder }) => keyOrder?.name)).toEqual([
      undefined,
      'residues mod 64',
    ])
    expect(counted.looks).toBeLessThan(1_000_000)
  })

  it('reads a large tensor once', () => {
    const side = 4096
    const values = new Uint8Array(side * side)
    for (let row = 0; row < side; row++) values.fill(1, row * side, row * side + row + 1)
    const tensor = maskFromTensor(values, [1, 1, side, side])
    const shape = { ...million, queryLength: side, keyLength: side }
    const expected = counted.core.createBlockMap(causal, shape, tiles)
    const before = counted.looks
    expect(counted.core.createBlockMap(tensor, shape, tiles)).toEqual(expected)
    expect(counted.looks - before).toBeLessThan(2000)
  })
})
