// Tiles on subgroup matrices that a caller asks for by their sizes, and those that tuning tries.
import { mask, UnsupportedError } from '@attn/core'
import { describe, expect, it } from 'vitest'
import type { MatrixTile } from '../../../src/plan/forward/matrix-tile.ts'
import { possibleMatrixSizes } from '../../../src/plan/forward/matrix-tile.ts'
import type { MatrixTileSizes } from '../../../src/plan/forward/matrix-tile-sizes.ts'
import { planForward } from '../../../src/plan/plan.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import { byHalves } from '../plans.ts'
import { withMatrices } from '../matrix-devices.ts'

const call = { heads: 4, queryLength: 300, headDim: 64, dtype: 'float16' } as const
const plan = (tile: PlanOptions['tile'], more: Partial<PlanOptions> = {}) =>
  planForward({ ...call, tile, ...more }, withMatrices)
const tileOf = (sizes: MatrixTileSizes, more: Partial<PlanOptions> = {}): MatrixTile => {
  const { kind, passes } = plan(sizes, more) as Extract<ReturnType<typeof plan>, { kind: 'passes' }>
  expect(kind).toBe('passes')
  return passes[0].kernel.tile as MatrixTile
}

describe('a tile on subgroup matrices by its sizes', () => {
  it('is taken as it is, under masks too', () => {
    const sizes = { subgroups: 2, ownRows: 16, keys: 32 }
    const tile = tileOf(sizes)
    expect(tile).toMatchObject({ subgroups: 2, rowBlocks: 1, queries: 32, keys: 32 })
    const causal = mask('causal', ({ query, key }) => key.le(query))
    expect(tileOf(sizes, { mask: causal })).toEqual(tile)
  })

  it('is any that is tried, which all fit', () => {
    const shape = { ...call, batch: 1, valueDim: 64 }
    const tried = possibleMatrixSizes(shape, withMatrices, 'float16')
    expect(tried.length).toBeGreaterThan(2)
    for (const sizes of tried) {
      const { subgroups, rowBlocks, matrix, keys } = tileOf(sizes)
      expect({ subgroups, ownRows: rowBlocks * matrix.rows, keys }).toEqual(sizes)
    }
    expect(possibleMatrixSizes(shape, defaultCapabilities, 'float16')).toEqual([])
  })

  it('is that of the halves of float32 as well', () => {
    const planned = plan({ subgroups: 2, ownRows: 16, keys: 16 }, { dtype: 'float32' })
    const { kernel } = byHalves(planned).passes[0]
    expect([kernel.kind, kernel.tile.queries]).toEqual(['halves', 32])
  })

  it.each<[MatrixTileSizes, string]>([
    [
      { subgroups: 3, ownRows: 16, keys: 16 },
      'flash.plan: tile.subgroups must be a power of two, got 3',
    ],
    [
      { subgroups: 4, ownRows: 1.5, keys: 16 },
      'flash.plan: tile.ownRows must be a positive integer, got 1.5',
    ],
    [
      { subgroups: 4, ownRows: 16, keys: 0 },
      'flash.plan: tile.keys must be a positive integer, got 0',
    ],
    [{ subgroups: 4, ownRows: 8, keys: 16 }, 'do not divide by the adapter'],
    [{ subgroups: 4, ownRows: 16, keys: 12 }, 'do not divide by the adapter'],
    [{ subgroups: 64, ownRows: 32, keys: 16 }, 'do not divide by the adapter'],
  ])('%o is refused', (sizes, why) => {
    expect(() => plan(sizes)).toThrow(RangeError)
    expect(() => plan(sizes)).toThrow(why)
    expect(() => plan(sizes, { dtype: 'float32' })).toThrow(why)
  })

  it('is not to be had where there are no matrices', () => {
    const sizes = { subgroups: 4, ownRows: 16, keys: 16 }
    expect(() => planForward({ ...call, tile: sizes }, defaultCapabilities)).toThrow(
      UnsupportedError,
    )
  })
})
