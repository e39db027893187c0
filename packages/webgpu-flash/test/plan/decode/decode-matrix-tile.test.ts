// The tiles that decoding on subgroup matrices is given: whatever the sizes and the device, the work divides.
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import type { Capabilities } from '../../../src/device/capabilities.ts'
import {
  chooseDecodeMatrixTile,
  decodeMatrixMemory,
  fitsMatrices,
} from '../../../src/plan/decode/decode-matrix-tile.ts'

const shapes = [
  [16, 16, 16],
  [16, 8, 16],
  [16, 8, 8],
  [8, 16, 16],
  [8, 8, 8],
] as const

const devices = fc
  .record({
    matrices: fc.subarray([...shapes], { minLength: 1 }),
    lanes: fc.constantFrom(8, 16, 32),
    memory: fc.constantFrom(16384, 32768, 49152),
  })
  .map(({ matrices, lanes, memory }): Capabilities => ({
    ...defaultCapabilities,
    shaderFloat16: true,
    subgroups: { minimum: lanes, maximum: lanes },
    subgroupMatrices: matrices.map(([rows, columns, depth]) => ({
      operands: 'f16',
      sums: 'f32',
      rows,
      columns,
      depth,
    })),
    limits: { ...defaultCapabilities.limits, maxComputeWorkgroupStorageSize: memory },
  }))
const sizes = fc.record({
  headDim: fc.constantFrom(16, 32, 64, 80, 96, 128, 256),
  valueDim: fc.constantFrom(16, 32, 64, 128, 256),
  rows: fc.integer({ min: 1, max: 300 }),
})

it('fits the device, in whole matrices', () => {
  let found = 0
  fc.assert(
    fc.property(sizes, devices, (size, device) => {
      const tile = chooseDecodeMatrixTile(size, device)
      if (!tile) return
      found++
      const { rows, depth } = tile.matrix
      const { headDim, valueDim } = size
      const { bytes, ownDims } = decodeMatrixMemory(tile, headDim, valueDim)
      expect(fitsMatrices(tile, size)).toBe(true)
      expect(bytes).toBeLessThanOrEqual(device.limits.maxComputeWorkgroupStorageSize)
      expect([
        (tile.keys / tile.subgroups) % rows,
        tile.keys % depth,
        headDim % depth,
        ownDims % rows,
      ]).toEqual([0, 0, 0, 0])
      // Rows have lanes, and workgroups as many of them each as can be.
      expect(tile.rows).toBeLessThanOrEqual(Math.min(size.rows, tile.subgroups * tile.subgroupSize))
      const tiles = Math.ceil(size.rows / tile.rows)
      expect(tile.rows).toBe(Math.ceil(size.rows / tiles))
    }),
  )
  expect(found).toBeGreaterThan(20)
})

it('aims at as many workgroups as have room at once, the more rows the fewer', () => {
  const device: Capabilities = {
    ...defaultCapabilities,
    shaderFloat16: true,
    subgroups: { minimum: 32, maximum: 32 },
    subgroupMatrices: [{ operands: 'f16', sums: 'f32', rows: 16, columns: 8, depth: 16 }],
    limits: { ...defaultCapabilities.limits, maxComputeWorkgroupStorageSize: 49152 },
  }
  const aims = [4, 8, 16, 32].map(
    (rows) => chooseDecodeMatrixTile({ headDim: 128, valueDim: 128, rows }, device)!.workgroups,
  )
  expect(aims).toEqual([512, 512, 384, 256])
  // Of wide heads lanes hold fewer rows.
  const wide = chooseDecodeMatrixTile({ headDim: 256, valueDim: 256, rows: 64 }, device)!
  expect(wide.rows).toBe(16)
})
