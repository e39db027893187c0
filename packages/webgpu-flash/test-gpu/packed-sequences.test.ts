// Packed sequences on the GPU: what core makes of masks, modifiers and dropout counters, compiled, and
// rotary positions within the sequence. That core's meaning is that of separate calls is core's test.
import {
  cast,
  floatTable,
  mask,
  scoreModifier,
  standardAttention,
  toFloat64Array,
} from '@attn/core'
import type { Tensor } from '@attn/core'
import { afterAll, describe, expect, test } from 'vitest'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import type { FlashAttention } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { rotaryEmbedding, rotateByDefinition } from './rotary-definition.ts'
import { expectClose, expectedGradients, runBackward } from './run-backward.ts'
import type { BackwardProblem } from './run-backward.ts'

const gpu = await acquireGpu()

const causal = mask('causal', ({ query, key }) => key.le(query))
const slopes = floatTable('slopes', [0.5, 0.25, 0.125, 0.0625], [4], { trainable: true })
const alibi = scoreModifier('alibi', (score, { head, query, key }) =>
  score.sub(slopes.at(head).mul(query.sub(key))),
)
const self = { cumulativeQueryLengths: [0, 37, 37, 50, 90] }
const cross = {
  cumulativeQueryLengths: [0, 9, 30, 34, 60],
  cumulativeKeyLengths: [0, 25, 60, 60, 70],
}

describe.skipIf(!gpu).each(deviceKinds(gpu))('packed sequences, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  test.each([
    ['float32', 1e-5],
    ['float16', 4e-3],
  ] as const)('forward, causal with ALiBi, grouped heads, %s', async (dtype, tolerance) => {
    const query = fill(1, [1, 4, 90, 16], 1, dtype)
    const [key, value] = [fill(2, [1, 2, 90, 16], 1, dtype), fill(3, [1, 2, 90, 16], 1, dtype)]
    const options = { mask: causal, scoreModifiers: [alibi], sequences: self }
    const actual = await (await library()).attention(query, key, value, options)
    const expected = standardAttention(query, key, value, options)
    for (const part of ['output', 'logSumExp'] as const) {
      const error = largestError(toFloat64Array(actual[part]), toFloat64Array(expected[part]))
      expect(error).toBeLessThan(tolerance)
    }
  })

  test('backward, causal with trainable ALiBi', async () => {
    expect.hasAssertions()
    const problem: BackwardProblem = {
      batch: 1,
      heads: 4,
      kvHeads: 2,
      queryLength: 90,
      keyLength: 90,
      headDim: 16,
      mask: causal,
      scoreModifiers: [alibi],
      sequences: self,
    }
    expectClose(await runBackward(await library(), problem), expectedGradients(problem))
  })

  test('forward and backward where nothing is a distance: lengths, rows, sequences and dropout', async () => {
    const lastKeys = mask('lastKeys', ({ query, key, keyLength }) =>
      key.le(query).and(key.lt(2).or(key.ge(keyLength.sub(12)))),
    )
    const byRow = scoreModifier('byRow', (score, { queryIndex, key, batch }) =>
      score.mul(0.7).add(key.add(queryIndex).mod(3).add(batch).toFloat().mul(0.2)),
    )
    const problem: BackwardProblem = {
      batch: 1,
      heads: 2,
      kvHeads: 2,
      queryLength: 60,
      keyLength: 70,
      headDim: 16,
      mask: lastKeys,
      scoreModifiers: [byRow],
      dropout: { rate: 0.4, seed: 11 },
      sequences: cross,
    }
    const flash = await library()
    // Forward too: gradients of a wrong log-sum-exp would be wrong, but not say where.
    const [query, key] = [fill(1, [1, 2, 60, 16]), fill(2, [1, 2, 70, 16])]
    const { mask: seen, scoreModifiers, dropout, sequences } = problem
    const options = {
      mask: seen!,
      scoreModifiers: scoreModifiers!,
      dropout: dropout!,
      sequences: sequences!,
    }
    const actual = await flash.attention(query, key, key, options)
    const expected = standardAttention(query, key, key, options)
    for (const part of ['output', 'logSumExp'] as const) {
      const error = largestError(toFloat64Array(actual[part]), toFloat64Array(expected[part]))
      expect(error).toBeLessThan(1e-5)
    }
    expectClose(await runBackward(flash, problem), expectedGradients(problem))
  })

  test('a decoding step: one query each, keys of different counts in caches of one size', async () => {
    const window = mask('window', ({ query, key }) => key.le(query).and(query.sub(key).lt(20)))
    const [query, key] = [fill(1, [1, 4, 3, 16]), fill(2, [1, 2, 96, 16])]
    const sequences = {
      cumulativeQueryLengths: [0, 1, 2, 3],
      cumulativeKeyLengths: [0, 32, 64, 96],
    }
    const options = { mask: window, scoreModifiers: [alibi], sequences, keyLengths: [5, 32, 0] }
    const actual = await (await library()).attention(query, key, key, options)
    const expected = standardAttention(query, key, key, options)
    for (const part of ['output', 'logSumExp'] as const) {
      const error = largestError(toFloat64Array(actual[part]), toFloat64Array(expected[part]))
      expect(error).toBeLessThan(1e-5)
    }
  })

  test('rotary embeddings turn by the position within the sequence', async () => {
    const rotary = rotaryEmbedding(16)
    const [query, key] = [fill(1, [1, 2, 60, 16], 2), fill(2, [1, 2, 70, 16], 2)]
    const options = { mask: causal, sequences: cross }
    const actual = await (await library()).attention(query, key, key, { ...options, rope: rotary })
    const within = (starts: readonly number[], row: number): [sequence: number, index: number] => {
      const sequence = starts.findLastIndex((start) => start <= row)
      return [sequence, row - starts[sequence]!]
    }
    const { cumulativeQueryLengths: queries, cumulativeKeyLengths: keys } = cross
    const size = (of: readonly number[], sequence: number): number =>
      of[sequence + 1]! - of[sequence]!
    const turn = (view: Tensor, at: (row: number) => number): Tensor =>
      rotateByDefinition(view, rotary, (_sequence, row) => at(row))
    const expected = standardAttention(
      turn(query, (row) => {
        const [sequence, index] = within(queries, row)
        return size(keys, sequence) - size(queries, sequence) + index
      }),
      turn(key, (row) => within(keys, row)[1]),
      cast(key, 'float64'),
      options,
    )
    expect(
      largestError(toFloat64Array(actual.output), toFloat64Array(expected.output)),
    ).toBeLessThan(2e-5)
  })
})
