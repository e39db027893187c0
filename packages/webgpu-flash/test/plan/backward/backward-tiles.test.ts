import { describe, expect, it } from 'vitest'
import { transposedStride } from '../../../src/kernels/tile/source.ts'
import {
  backwardMemory,
  backwardTileBytes,
  checkBackwardTile,
  chooseBackwardTile,
} from '../../../src/plan/backward/backward-tiles.ts'

const someDims = [1, 3, 4, 8, 17, 32, 63, 64, 65, 80, 96, 127, 128, 129, 192, 255, 256]
const pairs = someDims.flatMap((some) =>
  Array.from({ length: 256 }, (_, i) => [some, i + 1] as const),
)

const longCall = { batch: 1, heads: 16, kvHeads: 16, queryLength: 4096, keyLength: 4096 }

describe.each([16, 32, 48])('chooseBackwardTile with %i KiB of workgroup memory', (kibibytes) => {
  const limits = {
    maxComputeWorkgroupStorageSize: kibibytes * 1024,
    maxComputeInvocationsPerWorkgroup: 256,
  }

  it('fits for every D and Dv to 256, with sizes that divide', () => {
    for (const [headDim, valueDim] of pairs) {
      const shape = { ...longCall, headDim, valueDim }
      for (const rows of ['query', 'key'] as const) {
        const tile = chooseBackwardTile(rows, shape, limits)
        expect(() => checkBackwardTile('test', tile, headDim, valueDim, limits)).not.toThrow()
      }
    }
  })

  it('keeps what is alive together apart', () => {
    for (const [headDim, valueDim] of pairs) {
      const tile = chooseBackwardTile('key', { ...longCall, headDim, valueDim }, limits)
      const memory = backwardMemory(tile, headDim, valueDim)
      const rowsEnd = memory.rows + tile.dimChunk * transposedStride(tile.rows)
      const columnsEnd = memory.columns + tile.dimChunk * transposedStride(tile.columns)
      const widest = Math.max(memory.headStride, memory.valueStride)
      const sourceEnd = memory.source + tile.sourceChunk * widest
      const weightsEnd = memory.weights + tile.columns * memory.weightStride
      expect(rowsEnd).toBeLessThanOrEqual(memory.columns)
      expect(Math.max(columnsEnd, sourceEnd)).toBeLessThanOrEqual(memory.weights)
      expect([weightsEnd, weightsEnd + 1]).toEqual([memory.care, memory.vectors])
      // Shares of table gradients and their entries, a quarter of the columns at a time.
      expect((tile.columns / 4) * (tile.rows / 4) * 2).toBeLessThanOrEqual(
        weightsEnd - memory.weights,
      )
      // Each thread owns as many vectors of dims as the others.
      expect(memory.headStride % tile.threadColumns).toBe(0)
      expect(4 * memory.headStride).toBeGreaterThanOrEqual(headDim)
      expect(4 * memory.valueStride).toBeGreaterThanOrEqual(valueDim)
      expect(backwardTileBytes(tile, headDim, valueDim)).toBe(16 * memory.vectors)
    }
  })
})

describe('chooseBackwardTile', () => {
  const limits = { maxComputeWorkgroupStorageSize: 49152, maxComputeInvocationsPerWorkgroup: 1024 }
  const chosen = (rows: 'query' | 'key', change: object): string => {
    const shape = { ...longCall, headDim: 64, valueDim: 64, ...change }
    const tile = chooseBackwardTile(rows, shape, limits)
    return `${tile.rows}x${tile.columns} in ${tile.dimChunk}`
  }

  it('takes the largest chunks that fit, and more threads for wide heads', () => {
    expect(chosen('query', {})).toBe('64x32 in 32')
    expect(chosen('key', {})).toBe('64x32 in 32')
    expect(chosen('query', { headDim: 128, valueDim: 128 })).toBe('32x64 in 32')
    expect(chosen('key', { headDim: 128, valueDim: 128 })).toBe('32x64 in 32')
  })

  it('takes tiles of few rows where there are few: queries for dQ, keys for dK and dV', () => {
    expect(chosen('query', { queryLength: 16 })).toBe('16x64 in 16')
    expect(chosen('key', { queryLength: 16 })).toBe('64x32 in 32')
    expect(chosen('key', { keyLength: 16 })).toBe('16x64 in 16')
  })
})

describe('checkBackwardTile', () => {
  const limits = { maxComputeWorkgroupStorageSize: 16384, maxComputeInvocationsPerWorkgroup: 256 }
  const tile = {
    rows: 32,
    columns: 32,
    threadRows: 8,
    threadColumns: 8,
    dimChunk: 16,
    sourceChunk: 16,
  }

  const refusals: readonly (readonly [
    string,
    Partial<typeof tile> & { limit?: number },
    string,
  ])[] = [
    ['rows that threads cannot share', { rows: 48 }, 'do not divide'],
    ['a chunk that is no power of two', { dimChunk: 24 }, 'do not divide'],
    ['a chunk that does not divide the columns', { sourceChunk: 12 }, 'do not divide'],
    ['too much memory', { rows: 128, columns: 64 }, 'maxComputeWorkgroupStorageSize=16384'],
    ['too many threads', { limit: 50 }, 'maxComputeInvocationsPerWorkgroup=50'],
  ]

  it.each(refusals)('refuses %s', (_, { limit = 256, ...change }, message) => {
    const own = { ...limits, maxComputeInvocationsPerWorkgroup: limit }
    const check = (): void => checkBackwardTile('test', { ...tile, ...change }, 64, 64, own)
    expect(check).toThrow(RangeError)
    expect(check).toThrow(message)
  })
})
