// Which tiles the backward kernels on subgroup matrices get, and what keeps a device from running one.
import { assert, constantFrom, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Capabilities } from '../../../src/device/capabilities.ts'
import {
  chooseGradientMatrixTile,
  gradientMatrixMemory,
  gradientMatrixTileProblem,
  matrixThreads,
  subgroupRows,
} from '../../../src/plan/backward/gradient-matrix-tile.ts'
import { withEights, withMatrices } from '../matrix-devices.ts'

const shape = (length: number, headDim: number, valueDim = headDim) => ({
  batch: 1,
  heads: 16,
  kvHeads: 16,
  queryLength: length,
  keyLength: length,
  headDim,
  valueDim,
})
const rows = ['query', 'key'] as const

describe('chooseGradientMatrixTile', () => {
  it.each(rows)('takes the tiles of %s that were the fastest on an NVIDIA H200', (gradients) => {
    const tile = (dims: number) =>
      chooseGradientMatrixTile(gradients, shape(4096, dims), withMatrices)
    const common = { rows: 128, columns: 16, subgroups: 8, lanesPerRow: 2, rowsPerLane: 1 }
    expect(tile(64)).toMatchObject({ ...common, unrolled: false, scorePadding: 2 })
    const wide = gradients === 'key' ? { unrolled: true, scorePadding: 1 } : { unrolled: false }
    expect(tile(128)).toMatchObject({ ...common, ...wide })
  })

  it('deals several rows to a lane where subgroups are small', () => {
    const tile = chooseGradientMatrixTile('key', shape(256, 16), withEights)
    expect(tile).toMatchObject({ rowBlocks: 2, lanesPerRow: 1, rowsPerLane: 2, columns: 16 })
  })

  it('fits the device, whatever the sizes', () => {
    const dims = integer({ min: 1, max: 16 }).map((count) => 8 * count)
    assert(
      property(
        constantFrom(...rows),
        constantFrom(withMatrices, withEights),
        dims,
        dims,
        integer({ min: 16, max: 5000 }),
        (gradients, device, headDim, valueDim, length) => {
          const tile = chooseGradientMatrixTile(gradients, shape(length, headDim, valueDim), device)
          if (!tile) return
          const problem = gradientMatrixTileProblem(tile, { headDim, valueDim }, gradients, device)
          expect(problem).toBeUndefined()
          expect(subgroupRows(tile) * tile.subgroups).toBe(tile.rows)
          // Every pair of a subgroup's tile belongs to one lane.
          const pairs = tile.rowsPerLane * (tile.columns / tile.lanesPerRow) * tile.subgroupSize
          expect(pairs).toBe(subgroupRows(tile) * tile.columns)
          const { bytes } = gradientMatrixMemory(tile, headDim, valueDim, gradients)
          expect(bytes).toBeLessThanOrEqual(device.limits.maxComputeWorkgroupStorageSize)
        },
      ),
    )
  })

  it('has few rows for short calls', () => {
    for (const gradients of rows) {
      const tile = chooseGradientMatrixTile(gradients, shape(20, 64), withMatrices)!
      expect(tile.rows).toBeLessThan(40)
      expect(matrixThreads(tile)).toBe(tile.subgroups * 32)
    }
  })

  it.each([
    ['dims that are no multiples of the matrices', 20, {}],
    ['wider heads than registers hold', 144, {}],
    ['no float16', 64, { shaderFloat16: false }],
    ['no matrices', 64, { subgroupMatrices: [] }],
    ['subgroups of more than one size', 64, { subgroups: { minimum: 16, maximum: 32 } }],
    ['no subgroups', 64, { subgroups: undefined }],
  ] as const)('has none for %s', (_, dims, change) => {
    const device: Capabilities = { ...withMatrices, ...change }
    expect(chooseGradientMatrixTile('key', shape(4096, dims), device)).toBeUndefined()
  })
})

describe('gradientMatrixTileProblem', () => {
  const tile = chooseGradientMatrixTile('key', shape(4096, 64), withMatrices)!
  it.each([
    ['rows', { rows: 100 }, /do not divide/],
    ['lanes', { lanesPerRow: 3 }, /do not divide/],
    [
      'a matrix',
      { matrix: { rows: 32, columns: 16, depth: 16 }, rows: 256, rowsPerLane: 2 },
      /32 x 16 x 16/,
    ],
    ['subgroups', { subgroupSize: 64, lanesPerRow: 4 }, /subgroups of 64, the device has 32 to 32/],
    ['memory', { columns: 64 }, /bytes of workgroup memory, the device has max/],
  ] as const)('names what is wrong with %s', (_, change, message) => {
    const dims = { headDim: 64, valueDim: 64 }
    expect(gradientMatrixTileProblem({ ...tile, ...change }, dims, 'key', withMatrices)).toMatch(
      message,
    )
  })
})
