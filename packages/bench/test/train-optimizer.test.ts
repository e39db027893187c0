// AdamW in jax-js against the same in plain numbers.
import { init, numpy as np } from '@jax-js/jax'
import { beforeAll, describe, expect, test } from 'vitest'
import { normalArray } from '../src/inputs/normal.ts'
import { defaultConfiguration } from '../src/train/configuration.ts'
import { assemble } from '../src/train/model.ts'
import { positionsOf, settlePositions, trainingSpecifications } from '../src/train/positions.ts'
import { createOptimizer, rateOfStep } from '../src/train/optimizer.ts'
import { disposeState, initialState, placeState, readState } from '../src/train/state.ts'

const configuration = { ...defaultConfiguration('cpu'), layers: 1, width: 4, seed: 9 }
const specifications = trainingSpecifications(configuration, 5)
const learningRate = 0.1

beforeAll(async () => {
  await init('wasm')
})

/** Gradients of all weights at a step: large ones, which are clipped, and then small ones. */
function gradientsOf(step: number): Float32Array<ArrayBuffer>[] {
  return specifications.map(({ shape }, index) => {
    const count = shape.reduce((product, size) => product * size, 1)
    return normalArray(100 * step + index, count).map((value) => value * (step === 0 ? 1 : 0.01))
  })
}

/** Two numbers that the optimizer keeps, and the weight they change. */
interface Moments {
  weight: number
  first: number
  second: number
}

function plainStep(moments: Moments, gradient: number, step: number, isMatrix: boolean): Moments {
  const first = 0.9 * moments.first + 0.1 * gradient
  const second = 0.99 * moments.second + 0.01 * gradient ** 2
  const direction =
    first / (1 - 0.9 ** (step + 1)) / (Math.sqrt(second / (1 - 0.99 ** (step + 1))) + 1e-8)
  const decay = isMatrix ? 0.01 * moments.weight : 0
  const weight = moments.weight - rateOfStep(learningRate, step) * (direction + decay)
  return { weight, first, second }
}

describe('AdamW', () => {
  test('does what it does in plain numbers', async () => {
    const start = initialState(configuration, 5)
    const optimizer = createOptimizer(learningRate)
    let state = placeState(start, specifications)
    const expected = start.weights.map((weights) =>
      Array.from(weights, (weight): Moments => ({ weight, first: 0, second: 0 })),
    )
    const norms: number[] = []
    for (const step of [0, 1, 2]) {
      const gradients = gradientsOf(step)
      const norm = Math.hypot(...gradients.flatMap((values) => [...values]))
      norms.push(norm)
      gradients.forEach((values, index) =>
        values.forEach((value, place) => {
          const isMatrix = specifications[index]!.shape.length > 1
          const clipped = value * Math.min(1, 1 / (norm + 1e-6))
          const moments = expected[index]!
          moments[place] = plainStep(moments[place]!, clipped, step, isMatrix)
        }),
      )
      const arrays = gradients.map((values, index) =>
        np.array(values, { shape: [...specifications[index]!.shape] }),
      )
      state = optimizer.step(state, assemble(arrays))
    }
    const { weights, first, second, step } = await readState(state)
    disposeState(state)
    optimizer.dispose()
    // Both ways of the clipping are taken.
    expect(norms[0]).toBeGreaterThan(1)
    expect(norms[1]).toBeLessThan(1)
    expect(step).toBe(3)
    const worst = { weight: 0, first: 0, second: 0 }
    expected.forEach((array, index) =>
      array.forEach((moments, place) => {
        const got = { weight: weights, first, second }
        for (const name of ['weight', 'first', 'second'] as const) {
          const error = Math.abs(got[name][index]![place]! - moments[name])
          worst[name] = Math.max(worst[name], error)
        }
      }),
    )
    expect(worst.weight).toBeLessThan(2e-5)
    expect(worst.first).toBeLessThan(1e-7)
    expect(worst.second).toBeLessThan(1e-8)
  })

  test('is followed by putting parameters back in their range, where a method has one', async () => {
    const kerple = { ...configuration, positions: 'kerple' } as const
    const start = initialState(kerple, 5)
    const weights = start.weights.map((values, index) =>
      index < start.weights.length - 2 ? values : Float32Array.of(-1, 0.5),
    )
    const state = placeState({ ...start, weights }, trainingSpecifications(kerple, 5))
    const settled = await settlePositions(state, positionsOf(kerple))
    const read = await readState(settled)
    disposeState(settled)
    const edge = Float32Array.of(0.01, 0.5)
    expect(read.weights.slice(-2)).toEqual([edge, edge])
    expect(read.weights.slice(0, -2)).toEqual(weights.slice(0, -2))
  })

  test('starts with a small rate', () => {
    expect(rateOfStep(0.2, 0)).toBeCloseTo(0.01, 12)
    expect(rateOfStep(0.2, 19)).toBe(0.2)
    expect(rateOfStep(0.2, 1000)).toBe(0.2)
  })
})
