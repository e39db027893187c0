// The decoder of the laboratory against jax-js's, weight by weight, and the gradients of position tables
// against finite differences.
import { defaultDevice, init } from '@jax-js/jax'
import { beforeAll, describe, expect, test } from 'vitest'
import { drawBatch } from '../src/lab/data/batches.ts'
import { createAttention } from '../src/lab/model/attention.ts'
import { createDecoder } from '../src/lab/model/decoder.ts'
import type { Decoder } from '../src/lab/model/decoder.ts'
import { biasesAt, trainedBiases } from '../src/lab/positions/biases.ts'
import { createPositionModel } from '../src/lab/positions/methods.ts'
import { createDenseModel } from '../src/train/dense.ts'
import { disassemble } from '../src/train/model.ts'
import { initialState, placeState } from '../src/train/state.ts'
import { trainingSpecifications } from '../src/train/positions.ts'

const vocabulary = 21
const sizes = { layers: 2, heads: 2, width: 32, batch: 3, seed: 5 }
const tokens = Uint16Array.from(
  { length: 500 },
  (_, index) => (index * index + 3 * index) % vocabulary,
)

describe('the decoder', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    await init('wasm')
    defaultDevice('wasm')
  })

  test.each([
    ['alibi', 24],
    ['sinusoidal', 24],
    // Lengths that are no multiple of a tile or of eight.
    ['alibi', 37],
  ] as const)(
    'has the loss and the gradients of jax-js: %s, %i tokens',
    async (positions, length) => {
      const configuration = {
        ...sizes,
        context: length,
        positions,
        mask: 'causal',
        dropout: 0,
        learningRate: 0.01,
      } as const
      const specifications = trainingSpecifications(configuration, vocabulary)
      const start = initialState(configuration, vocabulary)
      const batch = drawBatch(tokens, { ...configuration, step: 0 })
      const dense = createDenseModel(configuration)
      const expected = await dense.gradients(placeState(start, specifications).weights, batch, 0)

      const { heads, width, seed } = sizes
      const model = createPositionModel(positions, { heads, width, trainedLength: length, seed })
      const embeddings = model.embeddings?.(length)
      const decoder = await createDecoder({
        ...sizes,
        length,
        vocabulary,
        attention: [createAttention({ heads, length, biases: biasesAt(model, { heads, length }) })],
        ...(embeddings ? { embeddings } : {}),
        training: true,
      })
      decoder.writeWeights(start.weights)
      const loss = decoder.differentiate(batch.inputs, batch.targets)
      expect(loss).toBeCloseTo((await expected.loss.data())[0]!, 5)
      const errors: number[] = []
      for (const [index, array] of disassemble(expected.gradients).entries()) {
        const wanted = (await array.data()) as Float32Array
        const found = decoder.arena.floats(decoder.gradients[index]!, wanted.length)
        const size = Math.sqrt(wanted.reduce((sum, value) => sum + value * value, 0))
        const error = Math.sqrt(
          wanted.reduce((sum, value, place) => sum + (value - found[place]!) ** 2, 0),
        )
        errors.push(error / size)
      }
      expect(Math.max(...errors)).toBeLessThan(1e-4)
      dense.destroy()
    },
  )
})

describe('trained tables', { timeout: 60_000 }, () => {
  const { heads, width, batch, seed } = sizes
  const length = 19
  const row = 24

  // FIRE's rectified units have corners that differences stumble over: lab-bias.test.ts compares it exactly.
  test.each(['t5', 'kerple', 'learned'] as const)(
    '%s has the gradients of finite differences',
    async (positions) => {
      const model = createPositionModel(positions, { heads, width, trainedLength: length, seed })
      for (const { values } of model.tables) {
        // Away from zero.
        values.forEach((value, index) => (values[index] = value + 0.05 + 0.01 * (index % 7)))
      }
      const trained = trainedBiases(model, { heads, length, row })
      const embeddings = model.embeddings?.(length)
      const decoder: Decoder = await createDecoder({
        ...sizes,
        length,
        vocabulary,
        attention: [createAttention({ heads, length, biases: biasesAt(model, { heads, length }) })],
        ...(embeddings ? { embeddings } : {}),
        training: true,
        trainsPositions: true,
      })
      decoder.writeWeights(
        initialState(
          {
            ...sizes,
            context: length,
            positions: 'alibi',
            mask: 'causal',
            dropout: 0,
            learningRate: 1,
          },
          vocabulary,
        ).weights,
      )
      const { inputs, targets } = drawBatch(tokens, { batch, context: length, seed, step: 0 })
      const lossNow = (): number => {
        const attention = createAttention({
          heads,
          length,
          biases: biasesAt(model, { heads, length }),
        })
        decoder.updatePositions([attention.bias], model.embeddings?.(length))
        const losses = decoder.losses(inputs, targets)
        return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
      }
      lossNow()
      trained?.values()
      decoder.differentiate(inputs, targets)
      const { bias, embeddings: dEmbeddings } = decoder.positionGradients()
      const gradients = trained ? trained.gradients(bias) : [dEmbeddings.slice()]
      let steepest = 0
      let worst = 0
      for (const [table, { values }] of model.tables.entries()) {
        for (const entry of [0, Math.floor(values.length / 2), values.length - 1]) {
          const [kept, step] = [values[entry]!, 0.02]
          values[entry] = kept + step
          const above = lossNow()
          values[entry] = kept - step
          const below = lossNow()
          values[entry] = kept
          const slope = (above - below) / (2 * step)
          steepest = Math.max(steepest, Math.abs(slope))
          const error = Math.abs(gradients[table]![entry]! - slope)
          worst = Math.max(worst, error / (1e-3 + Math.abs(slope)))
        }
      }
      expect(steepest).toBeGreaterThan(2e-4)
      expect(worst).toBeLessThan(0.02)
    },
  )
})
