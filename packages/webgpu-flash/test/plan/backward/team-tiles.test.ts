import { describe, expect, it } from 'vitest'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import { checkBackwardTile } from '../../../src/plan/backward/backward-tiles.ts'
import { teamMemory } from '../../../src/plan/backward/team-memory.ts'
import { chooseTeamTile, gradientTiles } from '../../../src/plan/backward/team-tiles.ts'

const limits = { maxComputeWorkgroupStorageSize: 48 * 1024, maxComputeInvocationsPerWorkgroup: 512 }
const square = (headDim: number, valueDim = headDim) => ({ headDim, valueDim })

describe('chooseTeamTile', () => {
  it.each(['query', 'key'] as const)('fits wherever there is one, for gradients of %s', (of) => {
    const chosen: string[] = []
    for (let headDim = 1; headDim <= 256; headDim++) {
      for (const valueDim of [32, 64, 65, 128, headDim, 256]) {
        const tile = chooseTeamTile(of, square(headDim, valueDim), limits)
        if (!tile) continue
        chosen.push(`${headDim},${valueDim}`)
        expect(() => checkBackwardTile('', tile, headDim, valueDim, limits, of)).not.toThrow()
      }
    }
    expect(chosen).toEqual(expect.arrayContaining(['33,33', '64,64', '127,128', '256,256']))
    expect(chosen).not.toContain('128,64')
    expect(chosen).not.toContain('32,32')
  })

  it('keeps what is alive together apart', () => {
    for (const of of ['query', 'key'] as const) {
      for (const dims of [33, 64, 65, 128, 256]) {
        const tile = chooseTeamTile(of, square(dims), limits)!
        const memory = teamMemory(tile, dims, dims, of)
        const kinds = of === 'key' ? 2 : 1
        const operands = 2 * (memory.rows + memory.columns)
        expect(memory.operandBuffer).toBe(operands)
        expect(operands * Math.min(memory.dimChunks, 2)).toBeLessThanOrEqual(memory.softmax)
        expect(kinds * memory.source * Math.min(memory.sumChunks, 2)).toBe(memory.weights)
        expect(memory.weights + kinds * memory.weightSize).toBeLessThanOrEqual(memory.softmax)
        expect(memory.vectors - memory.softmax).toBe(of === 'key' ? tile.columns : tile.rows)
        expect(memory.sumChunks * tile.sourceChunk * (tile.parts ?? 1)).toBe(tile.columns)
      }
    }
  })

  it('needs room and threads', () => {
    const room = { ...limits, maxComputeWorkgroupStorageSize: 32 * 1024 }
    expect(chooseTeamTile('key', square(64), room)).toBeUndefined()
    const threads = { ...limits, maxComputeInvocationsPerWorkgroup: 128 }
    expect(chooseTeamTile('key', square(64), threads)).toBeUndefined()
  })
})

describe('gradientTiles', () => {
  it('begins with the tile of two teams where the call suits it', () => {
    const long = { batch: 1, heads: 8, kvHeads: 8, queryLength: 1024, keyLength: 1024 }
    const shape = { ...long, ...square(64) }
    const device = { ...defaultCapabilities, limits: { ...defaultCapabilities.limits, ...limits } }
    const [first, ...others] = gradientTiles('key', shape, device, true)
    expect(first!.teams).toBe(2)
    expect(others).toEqual(gradientTiles('key', shape, device, false))
    expect(others.length).toBeGreaterThan(1)
    expect(others.every(({ teams }) => teams === undefined)).toBe(true)
  })
})
