import { describe, expect, it } from 'vitest'
import { mask } from '@attn/core'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import { isSoftware } from '../../../src/device/software.ts'
import { forwardTiles } from '../../../src/plan/forward/tiled-kernel.ts'
import { planForward } from '../../../src/plan/plan.ts'
import { firstText, inPasses } from '../plans.ts'
import { tileFits } from '../../../src/plan/forward/tiles.ts'
import { softwareTile } from '../../../src/plan/forward/software-tile.ts'

const adapter = { vendor: 'google', architecture: 'swiftshader', device: '', description: '' }
const software = { ...defaultCapabilities, adapter }
const roomy = {
  ...software,
  limits: { ...software.limits, maxComputeWorkgroupStorageSize: 32 * 1024 },
}
const shape = {
  batch: 1,
  heads: 4,
  kvHeads: 4,
  queryLength: 512,
  keyLength: 512,
  headDim: 64,
  valueDim: 64,
}

describe('software adapters', () => {
  it('are known by their names', () => {
    expect(isSoftware(software)).toBe(true)
    expect(isSoftware(defaultCapabilities)).toBe(false)
    const basic = { ...adapter, architecture: '', description: 'Microsoft Basic Render Driver' }
    expect(isSoftware({ adapter: basic })).toBe(true)
  })

  it('take few threads for long calls and a short shader for others', () => {
    expect(softwareTile(shape, defaultCapabilities)).toBeUndefined()
    expect(softwareTile(shape, software)).toMatchObject({ threadRows: 4, threadColumns: 4 })
    expect(softwareTile({ ...shape, queryLength: 256 }, software)).toMatchObject({ queries: 64 })
    expect(softwareTile({ ...shape, queryLength: 31 }, software)).toBeUndefined()
    expect(softwareTile({ ...shape, valueDim: 65 }, software)).toBeUndefined()
    for (const queryLength of [256, 512]) {
      for (const valueDim of [1, 64]) {
        const tile = softwareTile({ ...shape, queryLength, valueDim }, software)!
        expect(tileFits(tile, valueDim, software.limits)).toBe(true)
      }
    }
  })

  it('hold all dims of narrow heads at once, where there is more memory than every device has', () => {
    const few = { ...shape, queryLength: 17, headDim: 32, valueDim: 32 }
    expect(softwareTile(few, roomy)).toMatchObject({ keys: 32, dimChunk: 32, valueChunk: 32 })
    expect(softwareTile(few, software)).toBeUndefined()
    expect(softwareTile(few, { ...defaultCapabilities, limits: roomy.limits })).toBeUndefined()
    expect(softwareTile({ ...few, queryLength: 16 }, roomy)).toBeUndefined()
    for (const wide of [{ headDim: 33 }, { valueDim: 33 }]) {
      expect(softwareTile({ ...few, ...wide, queryLength: 64 }, roomy)).toMatchObject({
        dimChunk: 16,
        valueChunk: 16,
      })
    }
    for (let dims = 1; dims <= 32; dims++) {
      const tile = softwareTile({ ...few, headDim: 33 - dims, valueDim: dims }, roomy)!
      expect(tileFits(tile, dims, roomy.limits)).toBe(true)
    }
  })

  it('have the tile that plans take first among the candidates, which tuning measures', () => {
    for (const capabilities of [software, defaultCapabilities]) {
      const [first, ...others] = forwardTiles(shape, capabilities)
      expect(inPasses(planForward(shape, capabilities)).passes[0].kernel.tile).toEqual(first)
      expect(others.length).toBeGreaterThan(0)
      expect(others).not.toContainEqual(first)
    }
  })

  it('ask masks in loops, once for each row of a thread', () => {
    const access = { dtype: 'float32', nativeFloat16: false, vector: true } as const
    const accesses = { query: access, key: access, value: access, output: access }
    const long = { ...shape, queryLength: 4096, keyLength: 4096 }
    const odd = mask('odd', ({ query, key }) => query.sub(key).mod(2).eq(1))
    const calls = (capabilities: typeof software): number =>
      firstText(planForward({ ...long, mask: odd }, capabilities), accesses).split('visible(')
        .length - 2
    expect(calls(software)).toBe(8)
    expect(calls(defaultCapabilities)).toBe(32)
  })
})
