import { describe, expect, it } from 'vitest'
import { defaultCapabilities, defaultLimits } from '../../../src/device/capabilities.ts'
import { checkBackwardTile, wholeTile } from '../../../src/plan/backward/backward-tiles.ts'
import { softwareGradientTile } from '../../../src/plan/backward/software-gradient-tile.ts'
import { gradientTiles } from '../../../src/plan/backward/team-tiles.ts'

const limits = { ...defaultLimits, maxComputeWorkgroupStorageSize: 32 * 1024 }
const adapter = { vendor: 'mesa', architecture: '', device: '', description: 'llvmpipe (LLVM 21)' }
const software = { ...defaultCapabilities, adapter, limits }
const call = { batch: 1, heads: 2, kvHeads: 2, queryLength: 17, keyLength: 16 }
const shape = { ...call, headDim: 32, valueDim: 32 }

describe('softwareGradientTile', () => {
  it('holds all dims of narrow heads at once, where the gradient has more than a few rows', () => {
    expect(softwareGradientTile('query', shape, software)).toBe(wholeTile)
    expect(softwareGradientTile('key', shape, software)).toBeUndefined()
    for (let dims = 1; dims <= 32; dims++) {
      expect(() => checkBackwardTile('', wholeTile, dims, 33 - dims, limits)).not.toThrow()
    }
    for (const wide of [{ headDim: 33 }, { valueDim: 33 }]) {
      expect(softwareGradientTile('query', { ...shape, ...wide }, software)).toBeUndefined()
    }
  })

  it('is for software alone, and for more memory than every device has', () => {
    const real = { ...defaultCapabilities, limits }
    expect(softwareGradientTile('query', shape, real)).toBeUndefined()
    const least = { ...software, limits: defaultLimits }
    expect(softwareGradientTile('query', shape, least)).toBeUndefined()
  })

  it('comes first among the candidates, once', () => {
    const [first, ...others] = gradientTiles('query', shape, software, false)
    expect(first).toBe(wholeTile)
    expect(others.length).toBeGreaterThan(0)
    expect(others).not.toContain(wholeTile)
  })
})
