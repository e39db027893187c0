import { describe, expect, test } from 'vitest'
import { dependsOnLength, ropeFrequencies, yarnRamp, yarnScoreScale } from '../src/index.ts'
import type { RopeConfig, YarnRope } from '../src/index.ts'

const onScores = (config: YarnRope): number =>
  ropeFrequencies(config).attentionFactor ** 2 * yarnScoreScale(config)

const ratios = (left: ArrayLike<number>, right: ArrayLike<number>): number[] =>
  Array.from(left, (value, pair) => value / right[pair]!)

describe('base and partial rotary', () => {
  test('any base, any even rotaryDim', () => {
    const { inverseFrequencies, rotaryDim } = ropeFrequencies({
      headDim: 80,
      rotaryDim: 20,
      base: 500,
    })
    expect(rotaryDim).toBe(20)
    expect(inverseFrequencies).toHaveLength(10)
    inverseFrequencies.forEach((value, pair) => {
      expect(value).toBeCloseTo(1 / 500 ** ((2 * pair) / 20), 14)
    })
  })

  test('p-RoPE keeps the fastest pairs of the full head and stops the rest', () => {
    const full = ropeFrequencies({ headDim: 64 }).inverseFrequencies
    const p = ropeFrequencies({ type: 'proportional', headDim: 64, fraction: 0.75 })
    expect(p.rotaryDim).toBe(64)
    expect([...p.inverseFrequencies]).toEqual([...full.slice(0, 24), ...new Array(8).fill(0)])
    const none = ropeFrequencies({ type: 'proportional', headDim: 8, fraction: 0 })
    expect([...none.inverseFrequencies]).toEqual([0, 0, 0, 0])
    const all = ropeFrequencies({ type: 'proportional', headDim: 64, fraction: 1 })
    expect(all.inverseFrequencies).toEqual(full)
  })
})

describe('NTK', () => {
  test('leaves the fastest pair alone and gives the slowest what interpolation gives', () => {
    const shape = { headDim: 128, factor: 4 }
    const ntk = ropeFrequencies({ type: 'ntk', ...shape }).inverseFrequencies
    const linear = ropeFrequencies({ type: 'linear', ...shape }).inverseFrequencies
    expect(ntk[0]).toBe(1)
    expect(ntk[63]! / linear[63]!).toBeCloseTo(1, 12)
  })

  test('dynamic: nothing changes up to the trained length; then it grows with the sequence', () => {
    const config: RopeConfig = { type: 'dynamic', headDim: 64, factor: 2, trainedLength: 1000 }
    const plain = ropeFrequencies({ headDim: 64 }).inverseFrequencies
    expect(ropeFrequencies(config).inverseFrequencies).toEqual(plain)
    expect(ropeFrequencies(config, { sequenceLength: 1000 }).inverseFrequencies).toEqual(plain)
    const longer = ropeFrequencies(config, { sequenceLength: 2000 }).inverseFrequencies
    const ntk3 = ropeFrequencies({ type: 'ntk', headDim: 64, factor: 3 }).inverseFrequencies
    expect(longer).toEqual(ntk3)
  })

  test('has no base for two dimensions', () => {
    expect(() => ropeFrequencies({ type: 'ntk', headDim: 2, factor: 2 })).toThrow(RangeError)
  })
})

describe('YaRN', () => {
  const yarn: YarnRope = { type: 'yarn', headDim: 128, factor: 10, trainedLength: 2048 }

  test('ramps over pair indices with floor and ceil, or without when truncate is false', () => {
    expect(yarnRamp(yarn)).toEqual({ low: 16, high: 41 })
    const { low, high } = yarnRamp({ ...yarn, truncate: false })
    expect(low).toBeCloseTo(16.128, 2)
    expect(high).toBeCloseTo(40.209, 2)
    expect(ropeFrequencies({ ...yarn, truncate: false }).inverseFrequencies).not.toEqual(
      ropeFrequencies(yarn).inverseFrequencies,
    )
  })

  test('reproduces transformers’ own expectations at d = 128, L = 2048, factor 10', () => {
    const { inverseFrequencies, attentionFactor } = ropeFrequencies(yarn)
    expect(inverseFrequencies[17]).toBeCloseTo(8.3479e-2, 6)
    expect(inverseFrequencies[40]).toBeCloseTo(4.3007e-4, 8)
    expect(attentionFactor).toBeCloseTo(0.1 * Math.log(10) + 1, 15)
  })

  test('is not the paper’s rule, which ramps over turns: up to 156 % apart', () => {
    const paper = ropeFrequencies({ ...yarn, type: 'by-parts' }).inverseFrequencies
    const differences = ratios(ropeFrequencies(yarn).inverseFrequencies, paper).map((ratio) =>
      Math.abs(ratio - 1),
    )
    const largest = Math.max(...differences)
    expect(largest).toBeCloseTo(1.56, 2)
    expect(differences.indexOf(largest)).toBe(32)
  })

  test('mscale and mscaleAllDim count only together, and an attentionFactor wins', () => {
    const plain = 0.1 * Math.log(10) + 1
    expect(ropeFrequencies({ ...yarn, mscale: 0.7 }).attentionFactor).toBe(plain)
    expect(ropeFrequencies({ ...yarn, mscaleAllDim: 0.7 }).attentionFactor).toBe(plain)
    expect(ropeFrequencies({ ...yarn, mscale: 0.7, mscaleAllDim: 0 }).attentionFactor).toBe(plain)
    expect(ropeFrequencies({ ...yarn, mscale: 1, mscaleAllDim: 0.5 }).attentionFactor).toBeCloseTo(
      plain / (0.05 * Math.log(10) + 1),
      14,
    )
    expect(
      ropeFrequencies({ ...yarn, mscale: 1, mscaleAllDim: 1, attentionFactor: 1.5 })
        .attentionFactor,
    ).toBe(1.5)
    expect(ropeFrequencies({ ...yarn, factor: 1 }).attentionFactor).toBe(1)
  })

  test('DeepSeek’s temperature is counted once: in the softmax scale, not in cosine and sine', () => {
    const deepSeek: YarnRope = { ...yarn, factor: 40, mscale: 1, mscaleAllDim: 1 }
    expect(ropeFrequencies(deepSeek).attentionFactor).toBe(1)
    expect(onScores(deepSeek)).toBeCloseTo(onScores({ ...yarn, factor: 40 }), 13)
    expect(yarnScoreScale(yarn)).toBe(1)
    const partly: YarnRope = { ...deepSeek, mscale: 1, mscaleAllDim: 0.6 }
    expect(onScores(partly)).toBeCloseTo(onScores(deepSeek), 13)
  })
})

describe('Llama 3', () => {
  const shape = { headDim: 128, factor: 10, trainedLength: 2048 }

  test('is NTK-by-parts with alpha 1 and beta 4', () => {
    const llama = ropeFrequencies({ type: 'llama3', ...shape }).inverseFrequencies
    const parts = ropeFrequencies({ type: 'by-parts', alpha: 1, beta: 4, ...shape })
    expect(llama).toEqual(parts.inverseFrequencies)
    expect(llama[31]).toBeCloseTo(1.073e-2, 5)
    expect(llama[40]).toBeCloseTo(3.4539e-4, 8)
  })

  test('is the published rule, written with wavelengths', () => {
    const llama = ropeFrequencies({ type: 'llama3', ...shape }).inverseFrequencies
    ropeFrequencies({ headDim: 128 }).inverseFrequencies.forEach((frequency, pair) => {
      const wavelength = (2 * Math.PI) / frequency
      const smooth = (2048 / wavelength - 1) / 3
      const expected =
        wavelength < 2048 / 4
          ? frequency
          : wavelength > 2048
            ? frequency / 10
            : ((1 - smooth) * frequency) / 10 + smooth * frequency
      expect(llama[pair]! / expected).toBeCloseTo(1, 12)
    })
  })
})

describe('LongRoPE', () => {
  const config: RopeConfig = {
    type: 'longrope',
    headDim: 8,
    trainedLength: 100,
    factor: 4,
    shortFactor: [1, 1, 1, 1],
    longFactor: [1, 2, 3, 4],
  }

  test('uses the short list up to the trained length and the long one beyond', () => {
    const plain = ropeFrequencies({ headDim: 8 }).inverseFrequencies
    const at = (sequenceLength: number) =>
      ropeFrequencies(config, { sequenceLength }).inverseFrequencies
    expect(at(100)).toEqual(plain)
    expect(ratios(plain, at(101)).map((ratio) => Number(ratio.toFixed(9)))).toEqual([1, 2, 3, 4])
    expect(dependsOnLength(config)).toBe(true)
  })

  test('its attention factor does not depend on the list', () => {
    const expected = Math.sqrt(1 + Math.log(4) / Math.log(100))
    for (const sequenceLength of [1, 1000]) {
      expect(ropeFrequencies(config, { sequenceLength }).attentionFactor).toBe(expected)
    }
  })

  test('refuses lists of another length', () => {
    expect(() => ropeFrequencies({ ...config, longFactor: [1] })).toThrow(
      'ropeFrequencies: longFactor must hold rotaryDim / 2 = 4 positive numbers, got 1',
    )
  })
})

test.each([
  { headDim: 1 },
  { headDim: 7 },
  { headDim: 8, rotaryDim: 3 },
  { headDim: 8, rotaryDim: 10 },
  { headDim: 8, base: 1 },
  { headDim: 8, layout: 'pairs' },
  { headDim: 8, type: 'linear', factor: 0 },
  { headDim: 8, type: 'dynamic', factor: 2, trainedLength: 0 },
  { headDim: 8, type: 'proportional', fraction: 1.5 },
  { headDim: 8, type: 'yarn', factor: 2, trainedLength: 64, betaFast: 1, betaSlow: 2 },
  { headDim: 8, type: 'spiral' },
])('refuses %j', (config) => {
  expect(() => ropeFrequencies(config as RopeConfig)).toThrow(RangeError)
})
