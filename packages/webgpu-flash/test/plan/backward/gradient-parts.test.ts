import { assert, integer, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/device/capabilities.ts'
import { copyBytes, gradientParts } from '../../../src/plan/backward/gradient-parts.ts'
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
type Shape = ReturnType<typeof shapeOf>

/** Parts of the rows in natural order, without a mask. */
function partsOf(
  shape: Shape,
  limits = defaultLimits,
  rowTokens: 'queries' | 'keys' = 'queries',
  workBudget = Infinity,
): number {
  const rows = rowTokens === 'queries' ? shape.queryLength : shape.keyLength
  const rowTiles = Math.ceil(rows / tile.rows)
  return gradientParts(
    shape,
    {
      rowTokens,
      orders: undefined,
      kernel: { tile },
      rowTiles,
      packedMap: undefined,
      pairOperations: 8 * 64,
    },
    limits,
    workBudget,
  )
}

describe('parts of the rows of a gradient', () => {
  it('are for few rows that meet many keys', () => {
    expect(partsOf(shapeOf(8, 16, 65_536))).toBe(16)
    expect(partsOf(shapeOf(1, 16, 2048))).toBe(4)
    expect(partsOf(shapeOf(16, 4096, 4096))).toBe(1)
    expect(partsOf(shapeOf(1, 16, 1000))).toBe(1)
  })

  it('are for few keys that many queries see, too', () => {
    expect(partsOf(shapeOf(8, 4096, 77), defaultLimits, 'keys')).toBe(8)
    expect(partsOf(shapeOf(16, 4096, 4096), defaultLimits, 'keys')).toBe(1)
  })

  it('fill a device in each of the dispatches that the work is cut into', () => {
    const shape = shapeOf(8, 65_536, 2048)
    expect(partsOf(shape, defaultLimits, 'keys')).toBe(1)
    const work = 8 * 65_536 * 2048 * 8 * 64
    expect(partsOf(shape, defaultLimits, 'keys', work)).toBe(1)
    expect(partsOf(shape, defaultLimits, 'keys', work / 8)).toBe(4)
    expect(partsOf(shape, defaultLimits, 'keys', 1)).toBe(16)
  })

  it('are more where few rows meet most of the tokens, which else are at work when others are done', () => {
    const shape = { ...shapeOf(8, 16_384, 16_384), keyLength: 4096 }
    const parts = (rowTiles: number[]): number =>
      gradientParts(
        shape,
        {
          rowTokens: 'keys',
          orders: undefined,
          kernel: { tile },
          rowTiles: 64,
          packedMap: {
            rowTiles: Uint32Array.from(rowTiles),
            visited: rowTiles.reduce((sum, tiles) => sum + tiles, 0),
          },
          pairOperations: 8 * 64,
        },
        defaultLimits,
        // Of a head.
        64 * 64 * 256 * 32 * 8 * 64,
      )
    const even = Array.from({ length: 64 }, () => 256)
    expect(parts(even)).toBe(2)
    // Under a causal mask the first meets twice the mean.
    expect(parts(even.map((_, row) => 508 - 8 * row))).toBe(4)
    expect(parts(even.map(() => 0))).toBe(1)
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
        const parts = partsOf(shape)
        expect(parts).toBeGreaterThanOrEqual(1)
        const copies =
          parts === 1
            ? 0
            : parts * copyBytes(shape, { rowTokens: 'queries', orders: undefined }, 'dQuery')
        expect(copies).toBeLessThanOrEqual(2 ** 26)
        expect(parts === 1 || keyLength / parts >= 512).toBe(true)
      }),
    )
    const narrow = { ...defaultLimits, maxComputeWorkgroupsPerDimension: 3 }
    expect(partsOf(shapeOf(8, 16, 65_536), narrow)).toBe(3)
    expect(partsOf(shapeOf(8, 65_536, 16), narrow, 'keys')).toBe(3)
    const small = { ...defaultLimits, maxStorageBufferBindingSize: 5 * 4 * 8 * 16 * 64 }
    expect(partsOf(shapeOf(8, 16, 65_536), small)).toBe(5)
  })

  it.each(['float32', 'float16'] as const)('are in the account of %s', (dtype) => {
    const options = { heads: 8, queryLength: 200, keyLength: 32_768, headDim: 64, dtype }
    const plan = planBackward('flash.plan', planForward(options, withMatrices), {}, withMatrices)
    expect(plan.query.passes[0].parts).toBeGreaterThan(1)
    expect(plan.key.passes[0].parts).toBe(1)
    const { query } = plan
    expect(query.leftOut[0]?.parts).toBe(dtype === 'float32' ? query.passes[0].parts : undefined)
    expect(explainBackward(plan).memoryBytes.copies).toBe(
      plan.query.passes[0].parts * 4 * 8 * 200 * 64,
    )
  })
})
