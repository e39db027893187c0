import { assert, integer, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/device/capabilities.ts'
import { copyBytes, queryParts } from '../../../src/plan/backward/query-parts.ts'
import { explainBackward } from '../../../src/plan/backward/explain-backward.ts'
import { planBackward } from '../../../src/plan/backward/backward-plan.ts'
import { planForward } from '../../../src/plan/plan.ts'
import { withMatrices } from '../matrix-devices.ts'

const shapeOf = (heads: number, queryLength: number, keyLength: number) => ({
  batch: 1,
  heads,
  kvHeads: heads,
  queryLength,
  keyLength,
  headDim: 64,
  valueDim: 64,
})
const tile = { rows: 64, columns: 32 }

describe('parts of the rows of dQ', () => {
  it('are for few rows that meet many keys', () => {
    expect(queryParts(shapeOf(8, 16, 65_536), tile, defaultLimits)).toBe(16)
    expect(queryParts(shapeOf(1, 16, 2048), tile, defaultLimits)).toBe(4)
    expect(queryParts(shapeOf(16, 4096, 4096), tile, defaultLimits)).toBe(1)
    expect(queryParts(shapeOf(1, 16, 1000), tile, defaultLimits)).toBe(1)
  })

  it('stay within the budget of their copies and the limits of a device', () => {
    const sizes = record({
      heads: integer({ min: 1, max: 64 }),
      queryLength: integer({ min: 1, max: 5000 }),
      keyLength: integer({ min: 1, max: 2 ** 20 }),
    })
    assert(
      property(sizes, ({ heads, queryLength, keyLength }) => {
        const shape = shapeOf(heads, queryLength, keyLength)
        const parts = queryParts(shape, tile, defaultLimits)
        expect(parts).toBeGreaterThanOrEqual(1)
        const copies = parts === 1 ? 0 : parts * copyBytes(shape)
        expect(copies).toBeLessThanOrEqual(2 ** 26)
        expect(parts === 1 || keyLength / parts >= 512).toBe(true)
      }),
    )
    const narrow = { ...defaultLimits, maxComputeWorkgroupsPerDimension: 3 }
    expect(queryParts(shapeOf(8, 16, 65_536), tile, narrow)).toBe(3)
    const small = { ...defaultLimits, maxStorageBufferBindingSize: 5 * 4 * 8 * 16 * 64 }
    expect(queryParts(shapeOf(8, 16, 65_536), tile, small)).toBe(5)
  })

  it.each(['float32', 'float16'] as const)('are in the account of %s', (dtype) => {
    const options = { heads: 8, queryLength: 200, keyLength: 65_536, headDim: 64, dtype }
    const plan = planBackward('flash.plan', planForward(options, withMatrices), {}, withMatrices)
    expect(plan.query.parts).toBeGreaterThan(1)
    expect(plan.key.parts).toBe(1)
    const { query } = plan
    const unsplit = query.kind === 'split-matrix' ? query.unsplit.parts : query.parts
    expect(unsplit).toBe(query.parts)
    expect(explainBackward(plan).memoryBytes.copies).toBe(plan.query.parts * 4 * 8 * 200 * 64)
  })
})
