// Gradients of trainable tables of every kind that kernels sum in a way of their own.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { floatParameter, floatTable, mask, scoreModifier, UnsupportedError } from '@attn/core'
import type { FloatTable, ScoreModifier } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { randomNumbers } from '../../core/test/conformance/index.ts'
import { createFlashAttention } from '../src/index.ts'
import type { FlashAttention } from '../src/index.ts'
import { expectClose, expectedGradients, runBackward } from './run-backward.ts'

const gpu = await acquireGpu()

const causal = mask('causal', ({ query, key }) => key.le(query))
const sizes = { batch: 2, heads: 3, kvHeads: 1, queryLength: 90, keyLength: 101, headDim: 16 }

const trainable = (seed: number, shape: readonly number[]): FloatTable => {
  const count = shape.reduce((product, size) => product * size, 1)
  return floatTable(`table${seed}`, randomNumbers(seed, count), shape, { trainable: true })
}
type Axis = 'batch' | 'head' | 'query' | 'queryIndex' | 'key'
const add = (table: FloatTable, ...axes: readonly Axis[]): ScoreModifier =>
  scoreModifier('add', (score, at) => score.add(table.at(...axes.map((axis) => at[axis]))))
// A number added to a whole row changes nothing, so these multiply.
const multiply = (table: FloatTable, axis: Axis): ScoreModifier =>
  scoreModifier('multiply', (score, at) => score.mul(table.at(at[axis]).add(1)))

const byDistance = (seed: number, buckets: number): ScoreModifier => {
  const table = trainable(seed, [buckets, 3])
  return scoreModifier('byDistance', (score, { head, query, key }) =>
    score.add(table.at(query.sub(key).abs(), head)),
  )
}
const shared = trainable(31, [40])
const temperature = floatParameter('temperature', { minimum: 0.1, maximum: 10 })

const modifiers: readonly (readonly [string, readonly ScoreModifier[]])[] = [
  ['one number a head', [multiply(trainable(1, [3]), 'head')]],
  ['one number', [scoreModifier('one', (score) => score.mul(trainable(2, [1]).at(0)))]],
  ['a few distances', [byDistance(3, 5)]],
  ['as many entries as threads', [byDistance(4, 64)]],
  ['more entries than threads', [byDistance(5, 300)]],
  ['one number a key', [add(trainable(6, [101]), 'key')]],
  ['one number a query position', [multiply(trainable(7, [200]), 'query')]],
  [
    'a bias for each pair, head and sequence',
    [add(trainable(8, [2, 3, 90, 101]), 'batch', 'head', 'queryIndex', 'key')],
  ],
  [
    'a bias for each pair, shared by sequences',
    [add(trainable(9, [3, 90, 101]), 'head', 'queryIndex', 'key')],
  ],
  ['a bias for each pair, shared by all', [add(trainable(10, [101, 102]), 'query', 'key')]],
  [
    'two look-ups in one table',
    [
      scoreModifier('twice', (score, { query, key }) =>
        score.mul(shared.at(query.mod(7)).add(2)).add(shared.at(key.min(39))),
      ),
    ],
  ],
  [
    'a table for pairs and by distance',
    [
      scoreModifier('both', (score, { queryIndex, key }) => {
        const table = trainable(11, [90, 101])
        return score.add(table.at(queryIndex, key)).sub(table.at(3, key.mod(5)))
      }),
    ],
  ],
  [
    'through two other modifiers',
    [
      byDistance(12, 9),
      scoreModifier('square', (score) => score.mul(score).mul(0.1)),
      multiply(trainable(13, [3]), 'head'),
      scoreModifier('tanh', (score) => score.tanh().mul(2)),
    ],
  ],
  [
    'by the score itself',
    [scoreModifier('byScore', (score) => score.add(trainable(14, [4]).at(score.floor().add(2))))],
  ],
  [
    'that is not looked up',
    [
      scoreModifier('unused', (score, { key }) => {
        const table = trainable(15, [4])
        return table.at(key.min(3)).gt(0).select(score, score.mul(2))
      }),
    ],
  ],
]

describe.skipIf(!gpu)('gradients of a table', () => {
  let flash: FlashAttention
  beforeAll(async () => {
    flash = await createFlashAttention({ gpu: gpu!, training: true })
  })
  afterAll(() => flash.destroy())

  test.each(modifiers)('%s', async (_, scoreModifiers) => {
    const problem = { ...sizes, mask: causal, scoreModifiers }
    const gradients = await runBackward(flash, problem)
    expect(gradients.dTables.length).toBeGreaterThan(0)
    expectClose(gradients, expectedGradients(problem))
  })

  test('with a parameter in an index', async () => {
    const table = trainable(16, [4, 6])
    const problem = {
      ...sizes,
      scoreModifiers: [
        scoreModifier('scaled', (score, { head, key }) =>
          score.add(table.at(temperature.floor().add(head), key.mod(6)).mul(temperature)),
        ),
      ],
      parameters: { temperature: 1.5 },
    }
    const gradients = await runBackward(flash, problem)
    expect(gradients.dTables.map(([{ shape }]) => shape)).toEqual([[4, 6]])
    expectClose(gradients, expectedGradients(problem))
  })

  test('names the limit where there are too many sums', () => {
    const scoreModifiers = [byDistance(17, 2000)]
    const plan = () => flash.plan({ ...sizes, scoreModifiers, training: true })
    expect(plan).toThrow(UnsupportedError)
    expect(plan).toThrow(/table17 needs 2000 sums a head, at most 1024/)
    flash.plan({ ...sizes, scoreModifiers }).destroy()
  })
})
