// `attn io` counts what core counts, and finds the crossings that the errata speak of.
import { memoryTraffic } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { drawTraffic } from '../src/io/figure.ts'
import { formatTraffic } from '../src/io/summary.ts'
import { countTrafficCurves } from '../src/io/traffic-report.ts'

describe('attn io', () => {
  const report = countTrafficCurves({ lengths: [256, 1024], headDims: [32], crossingLength: 1024 })

  test('FlashAttention crosses standard attention near 3 D^2, FlashAttention-2 near 2 D^2', () => {
    const [crossing] = report.crossings
    expect(crossing!.keysOutside).toBeGreaterThan(2.8)
    expect(crossing!.keysOutside).toBeLessThan(3.4)
    expect(crossing!.queriesOutside).toBeGreaterThan(1.7)
    expect(crossing!.queriesOutside).toBeLessThan(2.3)
  })

  test('counts are those of core, forward and backward added where both are asked for', () => {
    const shape = { algorithm: 'standard', queryLength: 256, headDim: 32 } as const
    expect(report.overLength[0]!.standard).toBe(memoryTraffic(shape).total)
    const both = countTrafficCurves({
      lengths: [256],
      headDims: [32],
      crossingLength: 256,
      pass: 'both',
    })
    expect(both.overLength[0]!.standard).toBe(
      memoryTraffic(shape).total + memoryTraffic({ ...shape, pass: 'backward' }).total,
    )
  })

  test('fitted constants are near those of the closed forms, 4 and 12 and 8', () => {
    const { standard, keysOutside, queriesOutside } = report.constants
    expect(standard).toBeCloseTo(4, 1)
    expect(keysOutside / 12).toBeCloseTo(1, 0)
    expect(queriesOutside / 8).toBeCloseTo(1, 0)
  })

  test('no M is counted beyond N D, where the theorem ends', () => {
    expect(Math.max(...report.overMemory.map((row) => row.onChipElements))).toBe(1024 * 32)
  })

  test('is printed and drawn', () => {
    expect(formatTraffic(report)).toMatch(/FlashAttention from M = [23]\.\d+ D²/)
    const svg = drawTraffic(report)
    expect(svg).toContain('FlashAttention-2 (queries outside)')
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  })
})
