import { describe, expect, it } from 'vitest'
import { mask } from '@attn/core'
import type { Mask } from '@attn/core'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import type { Capabilities } from '../../../src/device/capabilities.ts'
import { planForward } from '../../../src/plan/plan.ts'
import { inPasses } from '../plans.ts'

const capabilities: Capabilities = {
  ...defaultCapabilities,
  shaderFloat16: true,
  subgroups: { minimum: 32, maximum: 32 },
  subgroupMatrices: [{ operands: 'f16', sums: 'f32', rows: 16, columns: 16, depth: 16 }],
  limits: { ...defaultCapabilities.limits, maxComputeWorkgroupStorageSize: 49152 },
}

/** Queries of the tile, and what of its tiles is partial. */
function tileFor(pattern: Mask | undefined, headDim = 64) {
  const call = { heads: 8, queryLength: 16384, headDim, dtype: 'float16' } as const
  const plan = planForward({ ...call, ...(pattern ? { mask: pattern } : {}) }, capabilities)
  const { kernel, packedMap } = inPasses(plan).passes[0]
  const { visited = 0, full = 0 } = packedMap ?? {}
  return { queries: kernel.tile.queries, partial: visited - full }
}

const blocks = mask('blocks', ({ query, key }) => query.floorDiv(64).eq(key.floorDiv(64)))
const causal = mask('causal', ({ query, key }) => key.le(query))
const narrow = mask('narrow', ({ query, key }) => query.sub(key).abs().le(32))

describe('the tile on matrices', () => {
  it('is the largest without a mask, and where few tiles are partial', () => {
    expect(tileFor(undefined).queries).toBe(128)
    expect(tileFor(causal).queries).toBe(128)
    expect(tileFor(undefined, 128).queries).toBe(256)
    expect(tileFor(causal, 128).queries).toBe(256)
  })

  it('has no more queries than the blocks of a mask, whose tiles then are full', () => {
    expect(tileFor(blocks)).toEqual({ queries: 64, partial: 0 })
    expect(tileFor(blocks, 128)).toEqual({ queries: 64, partial: 0 })
  })

  it('is smaller for windows that are narrower than it', () => {
    expect(tileFor(narrow).queries).toBe(64)
  })
})
