// The film of attention against the counts of core.
import { memoryTraffic } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { film, frameAt, type Algorithm, type Pass } from '../src/attention/film.ts'

const scene = { length: 40, dim: 8, onChipElements: 256, causal: false } as const

describe.each<Pass>(['forward', 'backward'])('%s', (pass) => {
  test.each<Algorithm>(['standard', 'flash', 'flash2'])('%s moves what is counted', (algorithm) => {
    const loopOrder =
      algorithm === 'flash' || pass === 'backward' ? 'keys-outside' : 'queries-outside'
    const counted = memoryTraffic({
      pass,
      queryLength: scene.length,
      headDim: scene.dim,
      ...(algorithm === 'standard'
        ? { algorithm: 'standard' }
        : { algorithm: 'flash', loopOrder, onChipElements: scene.onChipElements }),
    })
    const { bytes, frames, queryBlocks, keyBlocks } = film(algorithm, { ...scene, pass })
    expect(bytes).toBe(counted.bytes)
    const tiles = algorithm === 'standard' ? 0 : queryBlocks * keyBlocks
    expect(frames.at(-1)!.computed.size).toBe(tiles)
  })
})

test('with a causal mask hidden tiles are not visited', () => {
  const { frames, queryBlocks } = film('flash2', { ...scene, causal: true, pass: 'forward' })
  expect(queryBlocks).toBe(5)
  expect(frames.at(-1)!.computed.size).toBe(15)
})

test('shows the softmax of every tile, and how it was rescaled', () => {
  const { frames, queryBlocks, keyBlocks } = film('flash2', { ...scene, pass: 'forward' })
  const steps = frames.filter(({ step }) => step)
  expect(steps.length).toBe(queryBlocks * keyBlocks)
  steps.forEach(({ step, rescaled }, index) => {
    // The first tile of a row has nothing before it that would be rescaled.
    const before = step!.keyBlock === 0 ? step! : steps[index - 1]!.step!
    rescaled!.forEach((factor, row) => {
      expect(factor).toBeLessThanOrEqual(1)
      expect(factor).toBeCloseTo(Math.exp(before.maximum[row]! - step!.maximum[row]!), 12)
    })
  })
})

test('finds the frame of a moment', () => {
  const whole = film('flash', { ...scene, pass: 'forward' })
  expect(frameAt(whole, 0)).toBeUndefined()
  for (const frame of whole.frames) {
    expect(frameAt(whole, frame.to)).toBe(frame)
    expect(frameAt(whole, frame.from + 1)).toBe(frame)
  }
})
