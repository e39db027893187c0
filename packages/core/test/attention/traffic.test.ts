// Memory traffic counted from the algorithm, against the closed forms of the two papers.
import { describe, expect, test } from 'vitest'
import { countTraffic, flashAttention, zeros } from '../../src/index.ts'
import type { FlashAttentionOptions, MemoryTraffic, TileEvent } from '../../src/index.ts'
import { causal } from '../conformance/patterns.ts'
import { bruteForceBlockMap } from './brute-force-block-map.ts'

function traffic(length: number, dim: number, options: FlashAttentionOptions): MemoryTraffic {
  const x = zeros([1, 1, length, dim])
  const events: TileEvent[] = []
  flashAttention(x, x, x, { ...options, trace: (event) => events.push(event) })
  return countTraffic(events)
}

describe('FlashAttention, keys outside (arXiv 2205.14135, algorithm 1)', () => {
  // B_c = ceil(M / 4d), B_r = min(B_c, d) for M elements of on-chip memory.
  test.each([
    [1024, 64, 98304],
    [256, 32, 4096],
    [250, 16, 1000],
  ])('N=%i, d=%i, M=%i', (N, d, M) => {
    const keyBlockSize = Math.ceil(M / (4 * d))
    const queryBlockSize = Math.min(keyBlockSize, d)
    const count = traffic(N, d, { loopOrder: 'keys-outside', queryBlockSize, keyBlockSize })
    const Tc = Math.ceil(N / keyBlockSize)
    // K and V once; Q and O loaded, O stored, and both row statistics both ways, for each key tile;
    // at the end the statistics become logSumExp.
    expect(count.loads).toEqual({
      key: N * d,
      value: N * d,
      query: Tc * N * d,
      output: Tc * N * d,
      rowMaximum: (Tc + 1) * N,
      rowSum: (Tc + 1) * N,
    })
    expect(count.stores).toEqual({
      output: Tc * N * d,
      rowMaximum: Tc * N,
      rowSum: Tc * N,
      logSumExp: N,
    })
    expect(count.total).toBe(2 * N * d + Tc * (3 * N * d + 4 * N) + 3 * N)
  })

  test('GPT-2 medium on an A100: 11 N d, 1.5 GB for all heads in float16', () => {
    const { total, loads, stores } = traffic(1024, 64, {
      loopOrder: 'keys-outside',
      queryBlockSize: 64,
      keyBlockSize: 384,
    })
    const perRow = ['rowMaximum', 'rowSum', 'logSumExp'] as const
    const statistics = [loads, stores].flatMap((side) => perRow.map((name) => side[name] ?? 0))
    const matrices = total - statistics.reduce((sum, elements) => sum + elements)
    expect(matrices).toBe(11 * 1024 * 64)
    expect((matrices * 2 * 16 * 64) / 1e9).toBeCloseTo(1.5, 1)
  })
})

describe('FlashAttention-2, queries outside (arXiv 2307.08691, algorithm 1)', () => {
  test.each([
    [512, 32, 64, 64],
    [512, 32, 128, 32],
    [250, 16, 40, 30],
  ])('N=%i, d=%i, B_r=%i, B_c=%i', (N, d, queryBlockSize, keyBlockSize) => {
    const count = traffic(N, d, { queryBlockSize, keyBlockSize })
    const Tr = Math.ceil(N / queryBlockSize)
    expect(count.loads).toEqual({ query: N * d, key: Tr * N * d, value: Tr * N * d })
    expect(count.stores).toEqual({ output: N * d, logSumExp: N })
    expect(count.total).toBe((2 + 2 * Tr) * N * d + N)
  })

  test('34 N d at N=1024, B_r=64: 4.6 GB where the other order moves 1.5', () => {
    const { total, stores } = traffic(1024, 64, { queryBlockSize: 64 })
    const matrices = total - stores.logSumExp!
    expect(matrices).toBe(34 * 1024 * 64)
    expect((matrices * 2 * 16 * 64) / 1e9).toBeCloseTo(4.6, 1)
  })
})

test('a causal block map saves the tiles above the diagonal in both orders', () => {
  const [N, d, block] = [256, 8, 32]
  const shape = { batch: 1, heads: 1, kvHeads: 1, queryLength: N, keyLength: N, headDim: d }
  const blockMap = bruteForceBlockMap({ ...shape, valueDim: d }, { mask: causal }, block, block)
  const T = N / block
  const tiles = (T * (T + 1)) / 2
  const second = traffic(N, d, { mask: causal, blockMap })
  expect(second.loads.key).toBe(tiles * block * d)
  const first = traffic(N, d, { mask: causal, blockMap, loopOrder: 'keys-outside' })
  expect(first.loads).toMatchObject({ key: N * d, query: tiles * block * d })
})
