// `attn positions` from end to end on a WebGPU device.
import { describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { createEmbeddingSum } from '../src/positions/add-embeddings.ts'
import { positionsVerified } from '../src/report/positions-report.ts'
import { comparePositions } from '../src/suites/positions.ts'
import type { Progress } from '../src/suites/outcome.ts'

const gpu = await acquireGpu()

describe.skipIf(!gpu)('attn positions', () => {
  test('verifies and times methods, and says what each holds', async () => {
    const steps: Progress[] = []
    const length = 160
    const report = await comparePositions({
      problem: { lengths: [length], heads: 3, headDim: 16 },
      methods: ['rope', 'sinusoidal'],
      measure: { samples: 2, sampleMilliseconds: 1, budgetMilliseconds: 100 },
      environment: { attn: '0.0.0', runtime: 'test', platform: 'test' },
      onProgress: (progress) => steps.push(progress),
    })
    expect(positionsVerified(report)).toBe(true)
    expect(steps.map(({ done }) => done)).toEqual([0, 1, 2, 3])
    const [{ outcomes } = { outcomes: undefined }] = report.results
    expect(Object.keys(outcomes!)).toEqual(['none', 'sinusoidal', 'rope'])
    expect(outcomes!.none).toMatchObject({ overhead: 0, verification: { rows: 24 } })
    const more = (method: 'rope' | 'sinusoidal'): number =>
      outcomes![method]!.memoryBytes - outcomes!.none!.memoryBytes
    const tensorBytes = 3 * length * 16 * 4
    expect(more('sinusoidal')).toBe(tensorBytes)
    expect(more('rope')).toBeGreaterThanOrEqual(2 * tensorBytes)
    expect(more('rope')).toBeLessThan(2 * tensorBytes + 2048)
  })

  test.each(['float32', 'float16'] as const)('sinusoidal sums are right in %s', async (dtype) => {
    const adapter = await gpu!.requestAdapter()
    const device = await adapter!.requestDevice()
    const sum = await createEmbeddingSum(device, dtype, 2, 33, 24)
    expect(await sum.verify()).toBe(true)
    expect(await sum.verify()).toBe(true)
    expect(sum.memoryBytes).toBe(33 * 24 * (dtype === 'float32' ? 4 : 2))
    sum.destroy()
    device.destroy()
  })
})
