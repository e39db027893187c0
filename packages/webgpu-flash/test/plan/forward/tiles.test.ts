import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { transposedStride } from '../../../src/kernels/tile/source.ts'
import {
  chooseTile,
  rankedTiles,
  tileBytes,
  tileFits,
  tileMemory,
} from '../../../src/plan/forward/tiles.ts'
import type { ForwardTile, TileMemory } from '../../../src/plan/forward/tiles.ts'

/** Every pair of head dims there is would be 65,536: all of the one with some of the other. */
const someDims = [1, 2, 3, 4, 5, 7, 8, 16, 17, 31, 32, 33, 64, 80, 96, 127, 128, 129, 192, 255, 256]
const pairs = someDims.flatMap((some) =>
  Array.from({ length: 256 }, (_, i) => i + 1).flatMap((other) => [
    [some, other] as const,
    [other, some] as const,
  ]),
)

const longCall = { batch: 1, heads: 16, kvHeads: 16, queryLength: 4096, keyLength: 4096 }

describe.each([16, 32, 48])('chooseTile with %i KiB of workgroup memory', (kibibytes) => {
  const limits = {
    maxComputeWorkgroupStorageSize: kibibytes * 1024,
    maxComputeInvocationsPerWorkgroup: 256,
  }

  it('fits for every D and Dv to 256, with sizes that divide', () => {
    const wrong = pairs.flatMap(([headDim, valueDim]) => {
      const tile = chooseTile({ ...longCall, headDim, valueDim }, limits)
      const problems = {
        memory: tileBytes(tile, valueDim) > limits.maxComputeWorkgroupStorageSize,
        threads: tile.threadRows * tile.threadColumns > limits.maxComputeInvocationsPerWorkgroup,
        rows: tile.queries % (4 * tile.threadRows) !== 0,
        columns: tile.keys % (4 * tile.threadColumns) !== 0,
        keysOfV: tile.keys % tile.valueChunk !== 0,
      }
      return Object.values(problems).some(Boolean) ? [{ headDim, valueDim, ...problems }] : []
    })
    expect(wrong).toEqual([])
  })
})

describe('chooseTile', () => {
  const nvidia = {
    maxComputeWorkgroupStorageSize: 49152,
    maxComputeInvocationsPerWorkgroup: 1024,
  }
  const kibibytes = (count: number): typeof nvidia => ({
    ...nvidia,
    maxComputeWorkgroupStorageSize: count * 1024,
  })
  const named = ({ queries, keys, threadRows, threadColumns, dimChunk }: ForwardTile): string =>
    `${queries}x${keys} by ${threadRows}x${threadColumns} in ${dimChunk}`
  const ranked = (dim: number, limits = nvidia): string[] =>
    rankedTiles({ ...longCall, headDim: dim, valueDim: dim }, limits).map(named)

  it('has the order measured on an NVIDIA H200', () => {
    expect(ranked(64).slice(0, 2)).toEqual(['64x64 by 16x8 in 32', '64x64 by 8x16 in 16'])
    expect(ranked(32)[0]).toBe('64x64 by 16x8 in 32')
    expect(ranked(64, kibibytes(16))[0]).toBe('64x64 by 8x16 in 16')
    expect(ranked(128).slice(0, 2)).toEqual(['64x64 by 16x16 in 32', '64x64 by 16x16 in 16'])
    expect(ranked(128, kibibytes(16))[0]).toBe('64x64 by 16x16 in 16')
    expect(ranked(256).slice(0, 3)).toEqual([
      '64x128 by 16x32 in 16',
      '64x64 by 16x16 in 32',
      '32x64 by 8x16 in 32',
    ])
  })

  it('takes tiles of few rows for few rows', () => {
    const rows = (queryLength: number, heads = 16): number =>
      chooseTile({ ...longCall, heads, queryLength, headDim: 64, valueDim: 64 }, nvidia).queries
    expect(rows(1)).toBe(16)
    expect(rows(16)).toBe(16)
    expect(rows(32)).toBeLessThanOrEqual(32)
    expect(rows(4096)).toBe(64)
    // One head of 512 rows would be eight workgroups of 64.
    expect(rows(512, 1)).toBe(16)
    expect(rows(512, 64)).toBe(64)
  })

  const sizes = fc.record({
    batch: fc.integer({ min: 1, max: 64 }),
    heads: fc.integer({ min: 1, max: 64 }),
    kvHeads: fc.constant(1),
    queryLength: fc.integer({ min: 1, max: 2 ** 20 }),
    keyLength: fc.integer({ min: 1, max: 2 ** 20 }),
    headDim: fc.integer({ min: 1, max: 256 }),
    valueDim: fc.integer({ min: 1, max: 256 }),
  })

  it('ranks all that fits, the same each time', () => {
    const memory = fc.integer({ min: 16384, max: 65536 })
    const threads = fc.constantFrom(256, 512, 1024)
    fc.assert(
      fc.property(sizes, memory, threads, (shape, bytes, invocations) => {
        const limits = {
          maxComputeWorkgroupStorageSize: bytes,
          maxComputeInvocationsPerWorkgroup: invocations,
        }
        const tiles = rankedTiles(shape, limits)
        expect(tiles.length).toBeGreaterThan(0)
        expect(tiles.every((tile) => tileFits(tile, shape.valueDim, limits))).toBe(true)
        expect(rankedTiles(shape, limits)).toEqual(tiles)
        expect(chooseTile(shape, limits)).toEqual(tiles[0])
      }),
    )
  })
})

/** A region of workgroup memory, in vectors. */
type Span = readonly [name: string, start: number, length: number]

/** How long each region must be for what the kernel stores there. */
function regions(tile: ForwardTile, memory: TileMemory): Record<string, Span> {
  const queryVectors = tile.queries / 4
  return {
    query: ['Q', memory.query, tile.dimChunk * transposedStride(tile.queries)],
    key: ['K', memory.key, tile.dimChunk * transposedStride(tile.keys)],
    value: ['V', memory.value, tile.valueChunk * memory.valueStride],
    probability: [
      'P',
      memory.probability,
      (tile.probabilitiesInChunks ? tile.valueChunk : tile.keys) * memory.probabilityStride,
    ],
    reduction: ['maxima', memory.reduction, tile.threadColumns * queryVectors],
  }
}

/** The regions that hold something of use at the same time, by phase of the kernel. */
const alive = [['query', 'key'], ['reduction'], ['probability', 'value']] as const

const arbitraryTiles: fc.Arbitrary<ForwardTile> = fc
  .record({
    threadRows: fc.constantFrom(4, 8, 16),
    threadColumns: fc.constantFrom(4, 8, 16),
    rowVectors: fc.integer({ min: 1, max: 2 }),
    columnVectors: fc.integer({ min: 1, max: 2 }),
    dimChunk: fc.constantFrom(8, 16, 32, 64),
    valueChunks: fc.constantFrom(1, 2, 4),
    probabilitiesInChunks: fc.boolean(),
  })
  .map(({ rowVectors, columnVectors, valueChunks, ...tile }) => {
    const keys = 4 * tile.threadColumns * columnVectors
    return {
      ...tile,
      queries: 4 * tile.threadRows * rowVectors,
      keys,
      valueChunk: keys / valueChunks,
    }
  })

describe('tileMemory', () => {
  it('never puts two things that are alive at once in one place', () => {
    const dims = fc.integer({ min: 1, max: 256 })
    fc.assert(
      fc.property(arbitraryTiles, dims, (tile, valueDim) => {
        const memory = tileMemory(tile, valueDim)
        const spans = regions(tile, memory)
        for (const [name, start, length] of Object.values(spans)) {
          expect(start + length, `${name} ends within`).toBeLessThanOrEqual(memory.vectors)
        }
        for (const phase of alive) {
          const ordered = phase.map((name) => spans[name]!).toSorted((a, b) => a[1] - b[1])
          ordered.slice(1).forEach(([name, start], index) => {
            const [before, begin, length] = ordered[index]!
            expect(start, `${name} after ${before}`).toBeGreaterThanOrEqual(begin + length)
          })
        }
      }),
      { numRuns: 300 },
    )
  })

  it('holds whole columns of threads of V and every probability', () => {
    fc.assert(
      fc.property(arbitraryTiles, fc.integer({ min: 1, max: 256 }), (tile, valueDim) => {
        const { valueStride, probabilityStride } = tileMemory(tile, valueDim)
        expect(valueStride % tile.threadColumns).toBe(0)
        expect(4 * valueStride).toBeGreaterThanOrEqual(valueDim)
        expect(4 * probabilityStride).toBeGreaterThanOrEqual(tile.queries)
      }),
    )
  })
})
