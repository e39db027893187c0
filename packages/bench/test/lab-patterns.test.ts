// Sparse patterns in training: the masks by name, in each way to take their heads; digits as sequences; and the
// comparison from end to end.
import { evaluate } from '@attn/core'
import type { Mask } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { digitPixels, labDigits } from '../src/lab/data/digits.ts'
import { labText } from '../src/lab/data/text.ts'
import { inThisThread } from '../src/lab/jobs/in-this-thread.ts'
import { memoryStore } from '../src/lab/jobs/job.ts'
import { decodeModel } from '../src/lab/files/model-file.ts'
import { attentionProfile } from '../src/lab/patterns/attention-profile.ts'
import {
  comparePatterns,
  defaultPatternPlan,
  patternTitle,
} from '../src/lab/patterns/compare-patterns.ts'
import { drawPatterns } from '../src/lab/patterns/figure.ts'
import { formatPatterns } from '../src/lab/patterns/summary.ts'
import { integrations, layerMasks, maskNames, maskOfLayer } from '../src/train/masks.ts'

const length = 64

/** Keys that a query of a head sees. */
const keysOf = (mask: Mask, query: number, head = 0): number[] =>
  Array.from({ length }, (_, key) => key).filter((key) =>
    evaluate(mask.expression, {
      query,
      key,
      head,
      heads: 4,
      queryLength: length,
      keyLength: length,
    }),
  )

describe('masks of training', () => {
  test.each(
    maskNames.flatMap((mask) => integrations.map((integration) => ({ mask, integration }))),
  )('%o hides later keys', (settings) => {
    for (const layer of [0, 1]) {
      const mask = maskOfLayer(settings, { length, layer })
      for (const head of [0, 1]) {
        for (const query of [0, 17, 63]) {
          for (const key of keysOf(mask, query, head)) expect(key).toBeLessThanOrEqual(query)
        }
      }
    }
  })

  test('take the heads of a factorization a layer, merged, or a head each', () => {
    const at = (integration: 'interleaved' | 'merged' | 'multihead', layer: number, head: number) =>
      keysOf(maskOfLayer({ mask: 'fixed', extent: 8, integration }, { length, layer }), 20, head)
    const [block, summary] = [
      [16, 17, 18, 19, 20],
      [7, 15],
    ]
    expect(at('interleaved', 0, 1)).toEqual(block)
    expect(at('interleaved', 1, 0)).toEqual(summary)
    expect(at('merged', 0, 0)).toEqual([...summary, ...block])
    expect([at('multihead', 0, 0), at('multihead', 1, 1)]).toEqual([block, summary])
  })

  test('differ from layer to layer where they are drawn', () => {
    const [first, second] = layerMasks({ mask: 'random', extent: 4 }, { length, layers: 2 })
    expect(keysOf(first!, 50)).not.toEqual(keysOf(second!, 50))
    expect(layerMasks({ mask: 'causal' }, { length, layers: 2 })).toEqual([undefined])
  })
})

describe('digits', () => {
  test('begin with a token of their own and have sixteen greys', async () => {
    const pixels = Array.from({ length: digitPixels }, (_, pixel) => pixel / digitPixels)
    const { training, heldOut, piece, characters } = await labDigits(
      'ramp',
      Array.from({ length: 10 }, () => pixels),
    )
    expect(piece).toBe(785)
    expect(characters).toHaveLength(17)
    expect(training).toHaveLength(9 * 785)
    expect(heldOut).toHaveLength(785)
    expect([heldOut[0], heldOut[1], heldOut[784]]).toEqual([16, 0, 15])
    await expect(
      labDigits(
        'short',
        Array.from({ length: 10 }, () => [0, 1]),
      ),
    ).rejects.toThrow('one of 2')
    await expect(labDigits('few', [pixels])).rejects.toThrow('need at least 10 digits')
  })
})

describe('comparePatterns', { timeout: 60_000 }, () => {
  const plan = {
    ...defaultPatternPlan('text'),
    configuration: {
      ...defaultPatternPlan('text').configuration,
      layers: 1,
      heads: 2,
      width: 16,
      length: 32,
      batch: 4,
      steps: 150,
      learningRate: 0.02,
    },
    patterns: [
      { mask: 'causal' },
      { mask: 'fixed', extent: 8, integration: 'merged' },
      { mask: 'window', extent: 1 },
    ] as const,
    seeds: [1],
    tokens: 100,
  }

  test('finds that who sees only itself predicts worse, and what heads look at', async () => {
    // Each letter follows from the one two places before, which a window of one key hides.
    const text = await labText('pairs', 'aabbccddeeff'.repeat(200))
    const store = memoryStore()
    const report = await comparePatterns({ text, plan, runner: inThisThread(text, store) })
    const [dense, fixed, alone] = report.models.map(({ bitsPerToken }) => bitsPerToken)
    expect(dense).toBeLessThan(alone! / 2)
    expect(fixed).toBeLessThan(alone! / 2)
    expect(report.models.map(({ pattern }) => patternTitle(pattern))).toEqual([
      'dense',
      'fixed-merged-8',
      'window-1',
    ])
    expect(formatPatterns(report)).toMatch(/2 heads, learned positions[^]*dense +0\.\d{3}/)

    expect(report.stepTimes.map(({ pattern }) => patternTitle(pattern))).toEqual([
      'dense',
      'fixed-merged-8',
      'window-1',
    ])
    for (const { minimum, median } of report.stepTimes) {
      expect(minimum).toBeGreaterThan(0)
      expect(minimum).toBeLessThanOrEqual(median)
    }
    const svg = drawPatterns([report, report])
    for (const title of [
      'pairs, learned positions: in training',
      'pairs, learned positions: held out',
    ]) {
      expect(svg).toContain(title)
    }

    const model = decodeModel((await store.read('dense-1.model'))!)
    const [layer] = await attentionProfile(model, { tokens: text.heldOut, width: 8 })
    expect(layer!.profile).toMatchObject({ length: 32, width: 8, band: 1 })
    const { shares } = layer!.profile
    expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6)
    expect(layer!.pictures).toHaveLength(2)
  })

  test.each([
    [{ patterns: [] }, 'patterns and seeds must not be empty'],
    [{ patterns: [{ mask: 'dense' as 'causal' }] }, 'mask must be one of causal, window'],
    [
      { patterns: [{ mask: 'fixed' as const, extent: 0 }] },
      'extent must be a positive integer, got 0',
    ],
    [{ tokens: 1e6 }, 'the held-out part must exceed'],
  ])('refuses %o', async (change, message) => {
    const text = await labText('pairs', 'aabbccddeeff'.repeat(200))
    await expect(comparePatterns({ text, plan: { ...plan, ...change } })).rejects.toThrow(message)
  })
})
