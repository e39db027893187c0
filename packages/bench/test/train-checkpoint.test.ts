// Checkpoints keep every bit, and a run taken up from one ends where the uninterrupted run ends.
import { init } from '@jax-js/jax'
import { beforeAll, describe, expect, test } from 'vitest'
import { createCpuAttention } from '../src/train/attention.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../src/train/checkpoint.ts'
import type { Checkpoint } from '../src/train/checkpoint.ts'
import type { TrainingConfiguration } from '../src/train/configuration.ts'
import { trainingSpecifications } from '../src/train/positions.ts'
import { createSegmentedModel } from '../src/train/segments.ts'
import { initialState, readState } from '../src/train/state.ts'
import type { StateNumbers } from '../src/train/state.ts'
import { corpusOf } from '../src/train/text.ts'
import { trainModel } from '../src/train/train-model.ts'

const configuration: TrainingConfiguration = {
  layers: 1,
  heads: 2,
  width: 8,
  context: 8,
  batch: 2,
  mask: 'window',
  positions: 'alibi',
  dropout: 0.1,
  learningRate: 0.01,
  seed: 2,
}
const corpus = corpusOf(
  'test',
  'the quick brown fox jumps over the lazy dog, again and again. '.repeat(3),
)
const vocabulary = corpus.vocabulary.length

beforeAll(async () => {
  await init('wasm')
})

async function trainFrom(
  start: StateNumbers,
  steps: number,
): Promise<{ losses: readonly number[]; state: StateNumbers }> {
  const model = createSegmentedModel(configuration, createCpuAttention(configuration))
  let state = start
  const { losses } = await trainModel({
    model,
    configuration,
    corpus,
    start,
    steps,
    specifications: trainingSpecifications(configuration, vocabulary),
    onState: async (current) => {
      if (current.step === steps) state = await readState(current)
    },
  })
  model.destroy()
  return { losses, state }
}

const checkpointOf = (state: StateNumbers, losses: readonly number[] = []): Checkpoint => ({
  configuration,
  textDigest: corpus.digest,
  vocabulary,
  losses,
  state,
})

describe('a checkpoint', () => {
  test('keeps every bit', () => {
    const state = initialState(configuration, vocabulary)
    state.first[0]!.set([-0, 1e-45, 3.4e38, Math.fround(0.1)])
    const checkpoint = checkpointOf({ ...state, step: 12 }, [4.5, 4.25])
    const read = decodeCheckpoint(encodeCheckpoint(checkpoint))
    expect(read).toEqual(checkpoint)
    expect(Object.is(read.state.first[0]![0], -0)).toBe(true)
  })

  test('taken up ends where the uninterrupted run ends, to the bit', async () => {
    const start = initialState(configuration, vocabulary)
    const whole = await trainFrom(start, 6)
    const half = await trainFrom(start, 3)
    const file = encodeCheckpoint(checkpointOf(half.state))
    const rest = await trainFrom(decodeCheckpoint(file).state, 6)
    expect([...half.losses, ...rest.losses]).toEqual(whole.losses)
    expect(rest.state).toEqual(whole.state)
    expect(rest.state.weights).not.toEqual(half.state.weights)
  })

  test.each([
    ['words', 'decodeCheckpoint: the first line must be JSON'],
    ['{"schema":"other"}\n', 'schema must be attn-train-checkpoint/1, got other'],
    [
      '{"schema":"attn-train-checkpoint/1","step":1,"losses":[]}\n',
      'the first line lacks configuration, textDigest, vocabulary',
    ],
  ])('is not %s', (text, message) => {
    expect(() => decodeCheckpoint(new TextEncoder().encode(text))).toThrow(message)
  })

  test('that was cut short is refused', () => {
    const bytes = encodeCheckpoint(checkpointOf(initialState(configuration, vocabulary)))
    expect(() => decodeCheckpoint(bytes.subarray(0, -4))).toThrow('numbers after the first line')
  })
})
