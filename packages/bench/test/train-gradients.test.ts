// The segmented model against the same model differentiated by jax-js as a whole, and against what
// finite differences say of its loss.
import { init, tree } from '@jax-js/jax'
import { beforeAll, describe, expect, test } from 'vitest'
import { createCpuAttention } from '../src/train/attention.ts'
import type { TrainingConfiguration } from '../src/train/configuration.ts'
import { createDenseModel } from '../src/train/dense.ts'
import { disassemble } from '../src/train/model.ts'
import { trainingSpecifications } from '../src/train/positions.ts'
import { maskNames } from '../src/train/masks.ts'
import { createSegmentedModel } from '../src/train/segments.ts'
import type { TrainableModel } from '../src/train/segments.ts'
import { initialState, placeState } from '../src/train/state.ts'
import type { StateNumbers } from '../src/train/state.ts'
import { drawBatch } from '../src/lab/data/batches.ts'

const tiny: TrainingConfiguration = {
  layers: 2,
  heads: 2,
  width: 8,
  context: 12,
  batch: 2,
  mask: 'causal',
  positions: 'alibi',
  dropout: 0,
  learningRate: 0.003,
  seed: 3,
}
const vocabulary = 7
const tokens = Uint16Array.from({ length: 200 }, (_, place) => (place * place + place) % vocabulary)

beforeAll(async () => {
  await init('wasm')
})

interface Differentiated {
  readonly loss: number
  readonly gradients: Float32Array[]
}

async function differentiate(
  model: TrainableModel,
  configuration: TrainingConfiguration,
  state: StateNumbers = initialState(configuration, vocabulary),
): Promise<Differentiated> {
  const specifications = trainingSpecifications(configuration, vocabulary)
  const { weights, first, second } = placeState(state, specifications)
  const step = 4
  const result = await model.gradients(weights, drawBatch(tokens, { ...configuration, step }), step)
  const arrays = disassemble(result.gradients)
  const gradients = await Promise.all(
    arrays.map(async (array) => (await array.data()) as Float32Array),
  )
  tree.dispose([weights, first, second])
  return { loss: (await result.loss.data())[0]!, gradients }
}

const segmented = (configuration: TrainingConfiguration): TrainableModel =>
  createSegmentedModel(configuration, createCpuAttention(configuration))

/** Below it gradients are rounding: softmax sees nothing of a bias that is the same for all keys of a head. */
const nothing = 1e-6

/** The largest difference of each array of gradients, as a share of its largest element. */
function relativeErrors(own: Differentiated, dense: Differentiated): number[] {
  return own.gradients.map((gradient, index) => {
    const expected = dense.gradients[index]!
    const errors = gradient.map((value, place) => Math.abs(value - expected[place]!))
    const largest = Math.max(...expected.map(Math.abs))
    return largest < nothing && Math.max(...errors) < nothing ? 0 : Math.max(...errors) / largest
  })
}

async function compare(configuration: TrainingConfiguration): Promise<number> {
  const models = [segmented(configuration), createDenseModel(configuration)] as const
  const own = await differentiate(models[0], configuration)
  const dense = await differentiate(models[1], configuration)
  for (const model of models) model.destroy()
  return Math.max(Math.abs(own.loss - dense.loss), ...relativeErrors(own, dense))
}

describe('gradients of the segmented model', () => {
  test.each(maskNames)('are those of jax-js with the mask %s', async (mask) => {
    expect(await compare({ ...tiny, mask })).toBeLessThan(1e-5)
  })

  test.each([
    { positions: 'sinusoidal' },
    { positions: 'rope' },
    { positions: 'learned' },
    { positions: 't5' },
    { positions: 'kerple', mask: 'strided' },
    { positions: 'fire', mask: 'window', dropout: 0.2 },
    { positions: 'none', mask: 'fixed', integration: 'interleaved' },
    { mask: 'fixed', integration: 'merged' },
    { mask: 'strided', integration: 'interleaved', layers: 3 },
    { dropout: 0.3 },
    { layers: 1, heads: 4 },
    { layers: 3, mask: 'window', extent: 2, dropout: 0.5, positions: 'sinusoidal' },
  ] as const)('are those of jax-js with %o', async (change) => {
    expect(await compare({ ...tiny, ...change })).toBeLessThan(1e-5)
  })

  test.each(['alibi', 'kerple', 'learned'] as const)(
    'are the slopes of the loss, %s',
    async (positions) => {
      const shallow = { ...tiny, layers: 1, positions }
      const model = segmented(shallow)
      const { gradients } = await differentiate(model, shallow)
      const state = initialState(shallow, vocabulary)
      for (const [index, gradient] of gradients.entries()) {
        // Along the gradient itself the slope is its length, far above what float32 losses round away.
        const length = Math.hypot(...gradient)
        if (length < nothing) continue
        const lossAt = async (distance: number): Promise<number> => {
          const weights = state.weights.map((numbers, other) =>
            other === index
              ? numbers.map((number, place) => number + (distance * gradient[place]!) / length)
              : numbers,
          )
          return (await differentiate(model, shallow, { ...state, weights })).loss
        }
        const distance = 0.02
        const slope = ((await lossAt(distance)) - (await lossAt(-distance))) / (2 * distance)
        expect(Math.abs(slope / length - 1)).toBeLessThan(0.02)
      }
      model.destroy()
    },
  )
})
