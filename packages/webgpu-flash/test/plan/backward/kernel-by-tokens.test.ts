// Rows that meet few tokens: how large their tiles are.
import { mask } from '@attn/core'
import { describe, expect, it } from 'vitest'
import type { Capabilities } from '../../../src/device/capabilities.ts'
import { planBackward } from '../../../src/plan/backward/backward-plan.ts'
import type { BackwardPlan } from '../../../src/plan/backward/backward-plan.ts'
import type { BackwardTiles } from '../../../src/plan/backward/gradient-tile.ts'
import { planForward } from '../../../src/plan/plan.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'
import { strided } from '../../../test-gpu/ordered-masks.ts'
import { withMatrices } from '../matrix-devices.ts'

const base: PlanOptions = { heads: 2, queryLength: 16_384, headDim: 64, dtype: 'float16' }
const window = (length: number) =>
  mask('window', ({ query, key }) => key.le(query).and(query.sub(key).lt(length)))

function plan(
  options: Partial<PlanOptions>,
  device = withMatrices,
  tiles: BackwardTiles = {},
): BackwardPlan {
  return planBackward('flash.plan', planForward({ ...base, ...options }, device), tiles, device)
}
const rowsOf = ({ query, key }: BackwardPlan) => [query.kernel.tile.rows, key.kernel.tile.rows]

describe('gradients of rows that meet few tokens', () => {
  it.each([
    ['strided', { mask: strided(128) }, 64],
    ['a window of 256', { mask: window(256) }, 64],
    ['a window of 1,024', { mask: window(1024) }, 128],
    ['all tokens', {}, 128],
    // Two workgroups of wide heads are more than there is memory for.
    ['a window of 256, wide', { mask: window(256), headDim: 128 }, 128],
    ['strided, float32', { mask: strided(128), dtype: 'float32' as const }, 64, 48],
    ['all tokens, float32', { dtype: 'float32' as const }, 128, 96],
  ])('%s', (_name, options, rows, ofKeys = rows) => {
    const made = plan(options)
    expect(rowsOf(made)).toEqual([rows, ofKeys])
    // Two at a time, by their memory.
    const { maxComputeWorkgroupStorageSize } = withMatrices.limits
    const atOnce = maxComputeWorkgroupStorageSize / (rows === 64 ? 2 : 1)
    for (const { kernel, passes } of [made.query, made.key]) {
      expect(kernel.workgroupBytes).toBeLessThanOrEqual(atOnce)
      expect(/few tokens/.test(kernel.reason)).toBe(rows === 64)
      for (const pass of passes) expect(pass.kernel).toBe(kernel)
    }
  })

  it('have the tile that was asked for', () => {
    const { tile } = plan({}).query.kernel
    const tiles = { query: tile, key: tile } as BackwardTiles
    expect(rowsOf(plan({ mask: window(256) }, withMatrices, tiles))).toEqual([128, 128])
  })

  it('have the usual tile where a device has room for one workgroup of half its rows', () => {
    const small: Capabilities = {
      ...withMatrices,
      limits: { ...withMatrices.limits, maxComputeWorkgroupStorageSize: 44_400 },
    }
    expect(rowsOf(plan({ mask: window(256) }, small))).toEqual([128, 128])
  })
})
