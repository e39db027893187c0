// Loss scaling: a step whose gradients overflow is made again with half the scale, and the scale grows back.
import { defaultDevice, init, numpy as np } from '@jax-js/jax'
import { beforeAll, describe, expect, test } from 'vitest'
import { areFinite, createLossScale, growthInterval } from '../src/train/loss-scale.ts'
import type { TrainingConfiguration } from '../src/train/configuration.ts'
import { defaultConfiguration } from '../src/train/configuration.ts'
import type { ModelWeights } from '../src/train/model.ts'
import type { TrainableModel } from '../src/train/segments.ts'
import { initialState } from '../src/train/state.ts'
import { trainModel } from '../src/train/train-model.ts'
import { trainingSpecifications } from '../src/train/positions.ts'
import { createSegmentedModel } from '../src/train/segments.ts'
import { createCpuAttention } from '../src/train/attention.ts'
import { corpusOf } from '../src/train/text.ts'
import { train } from '../src/suites/train.ts'

describe('loss scaling', () => {
  beforeAll(async () => {
    await init('wasm')
    defaultDevice('wasm')
  })

  test('halves where something overflows, and doubles after enough steps without', () => {
    const scaling = createLossScale(8)
    scaling.overflowed()
    expect([scaling.scale, scaling.retried]).toEqual([4, 1])
    for (let step = 0; step < growthInterval - 1; step++) scaling.succeeded()
    expect(scaling.scale).toBe(4)
    scaling.succeeded()
    expect(scaling.scale).toBe(8)
    for (let half = 0; half < 3; half++) scaling.overflowed()
    expect(() => scaling.overflowed()).toThrow('overflow float16 without a scale')
  })

  test('knows gradients that are not finite', async () => {
    const weights = (number: number) =>
      ({ positions: [np.array([1, 2]), np.array([number])] }) as unknown as ModelWeights
    expect(await areFinite(weights(3))).toBe(true)
    expect(await areFinite(weights(Infinity))).toBe(false)
    expect(await areFinite(weights(NaN))).toBe(false)
  })

  test('leaves the curve as it is, whatever the scale, and makes overflown steps again', async () => {
    const corpus = corpusOf(
      'fables',
      'The fox saw the crow, and the crow saw the cheese. '.repeat(9),
    )
    const small = { layers: 1, width: 16, context: 24, learningRate: 0.01 }
    const configuration = { ...defaultConfiguration('cpu'), ...small }
    const vocabulary = corpus.vocabulary.length
    const run = async (given: TrainingConfiguration, largest: number) => {
      const exact = createSegmentedModel(configuration, createCpuAttention(configuration))
      const scales: number[] = []
      const model: TrainableModel = {
        ...exact,
        // As if float16 overflowed beyond a scale.
        gradients: async (weights, batch, step, scale = 1) => {
          scales.push(scale)
          return exact.gradients(weights, batch, step, scale > largest ? NaN : scale)
        },
      }
      const trained = await trainModel({
        model,
        configuration: given,
        corpus,
        specifications: trainingSpecifications(configuration, vocabulary),
        start: initialState(configuration, vocabulary),
        steps: 6,
      })
      model.destroy()
      return { ...trained, scales }
    }
    const plain = await run(configuration, Infinity)
    const scaled = await run({ ...configuration, precision: 'float16' }, 2 ** 14)
    expect(plain.scales).toEqual([1, 1, 1, 1, 1, 1])
    expect(scaled.scales.slice(0, 4)).toEqual([2 ** 16, 2 ** 15, 2 ** 14, 2 ** 14])
    expect(scaled.lossScale).toEqual({ last: 2 ** 14, retried: 2 })
    // Powers of two change nothing.
    expect(scaled.losses).toEqual(plain.losses)
  })

  test('float16 is refused on a CPU', async () => {
    const corpus = corpusOf('fables', 'The fox saw the crow. '.repeat(9))
    const environment = { attn: '0.0.0', runtime: 'Node', platform: 'any' }
    await expect(
      train({ device: 'cpu', corpus, environment, configuration: { precision: 'float16' } }),
    ).rejects.toThrow('attn train: float16 is for GPUs; use --precision float32')
  })
})
