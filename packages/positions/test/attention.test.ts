// The biases where they are used: attention's outputs against PyTorch, and the gradients of every
// trainable table against differences.
import { readFileSync } from 'node:fs'
import {
  flashAttention,
  flashAttentionBackward,
  mask,
  standardAttention,
  tensorFrom,
  toFloat64Array,
} from '@attn/core'
import type { AttentionOptions, Table, Tensor } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { alibi, fire, kerpleLog, kerplePower, t5Bias } from '../src/index.ts'
import type { ScoreModifier } from '@attn/core'
import { fill } from './golden.ts'
import { standardGradients } from '../../core/test/conformance/index.ts'

interface GoldenAttention {
  readonly name: string
  readonly heads: number
  readonly queryLength: number
  readonly keyLength: number
  readonly headDim: number
  readonly valueDim: number
  readonly seed: number
  readonly spec: {
    readonly mask?: string | null
    readonly bias?: 'alibi' | 't5'
    readonly numBuckets?: number
    readonly maxDistance?: number
    readonly bidirectional?: boolean
    readonly table?: { readonly seed: number }
  }
  readonly output: readonly number[]
  readonly logSumExp: readonly number[]
  readonly dQ: readonly number[]
  readonly dK: readonly number[]
  readonly dV: readonly number[]
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../core/test/golden/attention.json', import.meta.url), 'utf8'),
) as { cases: readonly GoldenAttention[] }
const biased = cases.filter(({ spec }) => spec.bias !== undefined)
const causal = mask('causal', ({ query, key }) => key.le(query))

const random = (seed: number, shape: readonly number[], scale: number): Tensor => {
  const values = fill(
    seed,
    shape.reduce((product, size) => product * size, 1),
  )
  return tensorFrom(
    values.map((value) => scale * value),
    shape,
    'float64',
  )
}

const largestError = (actual: Tensor, expected: ArrayLike<number>): number =>
  toFloat64Array(actual).reduce(
    (most, value, index) => Math.max(most, Math.abs(value - expected[index]!)),
    0,
  )

describe('golden attention', () => {
  test.each(biased)('$name', (golden) => {
    const { heads, queryLength, keyLength, headDim, valueDim, seed, spec } = golden
    const modifier: ScoreModifier =
      spec.bias === 'alibi'
        ? alibi({ heads })
        : t5Bias({
            heads,
            buckets: spec.numBuckets!,
            maxDistance: spec.maxDistance!,
            bidirectional: spec.bidirectional!,
            table: fill(spec.table!.seed, spec.numBuckets! * heads),
          })
    const inputs = [
      random(seed, [1, heads, queryLength, headDim], 2),
      random(seed + 1, [1, heads, keyLength, headDim], 2),
      random(seed + 2, [1, heads, keyLength, valueDim], 1),
    ] as const
    const options: AttentionOptions = {
      scoreModifiers: [modifier],
      ...(spec.mask === 'causal' ? { mask: causal } : {}),
    }
    // The golden numbers have nine digits, their ALiBi slopes those of float32.
    for (const { output, logSumExp } of [
      standardAttention(...inputs, options),
      flashAttention(...inputs, options),
    ]) {
      expect(largestError(output, golden.output)).toBeLessThan(1e-6)
      expect(largestError(logSumExp, golden.logSumExp)).toBeLessThan(2e-6)
    }
    const dOutput = random(seed + 3, [1, heads, queryLength, valueDim], 1)
    const gradients = standardGradients(...inputs, dOutput, options)
    expect(largestError(gradients.dQuery, golden.dQ)).toBeLessThan(1e-6)
    expect(largestError(gradients.dKey, golden.dK)).toBeLessThan(1e-6)
    expect(largestError(gradients.dValue, golden.dV)).toBeLessThan(1e-6)
  })

  test('there are cases of ALiBi and of T5', () => {
    expect(biased.map(({ spec }) => spec.bias)).toEqual(['alibi', 'alibi', 't5', 't5'])
  })
})

describe('gradients of trainable tables', () => {
  const heads = 2
  const length = 7
  const spread = (seed: number, count: number): Float64Array =>
    fill(seed, count).map((x) => x + 1.2)
  const t5 = t5Bias({
    heads,
    buckets: 6,
    maxDistance: 5,
    bidirectional: true,
    table: fill(1, 6 * heads),
  })
  const log = kerpleLog({ heads, scale: spread(1, heads), rate: spread(2, heads) })
  const power = kerplePower({
    heads,
    scale: spread(3, heads),
    exponent: spread(4, heads).map((x) => x / 2),
  })
  const network = fire({
    heads,
    threshold: 3.5, // Between positions, where max(i, L) has a derivative.
    inputWeights: fill(5, 4),
    inputBiases: fill(6, 4),
    outputWeights: fill(7, heads * 4),
    outputBiases: fill(8, heads),
  })
  const trainable: [string, ScoreModifier, readonly Table[]][] = [
    ['T5', t5, [t5.table]],
    ['KERPLE, logarithmic', log, log.tables],
    ['KERPLE, power', power, power.tables],
    ['FIRE', network, Object.values(network.tables)],
  ]
  const shape = [1, heads, length, 3]
  const inputs = [random(11, shape, 1), random(12, shape, 1), random(13, shape, 1)] as const
  const dOutput = random(14, shape, 1)

  test.each(trainable)('%s', (_, modifier, tables) => {
    const options = { scoreModifiers: [modifier], mask: causal }
    const loss = (): number => {
      const weights = toFloat64Array(dOutput)
      return toFloat64Array(standardAttention(...inputs, options).output).reduce(
        (sum, value, index) => sum + value * weights[index]!,
        0,
      )
    }
    const { dTables } = standardGradients(...inputs, dOutput, options)
    const forward = flashAttention(...inputs, options)
    const tiled = flashAttentionBackward(...inputs, forward, dOutput, options).dTables
    for (const table of tables) {
      const gradient = dTables.get(table)!
      const { values } = table
      // Float32 tables, such as FIRE's c, take a coarser step.
      const step = values instanceof Float32Array ? 2 ** -8 : 1e-5
      gradient.forEach((derivative, index) => {
        const middle = values[index]!
        values[index] = middle + step
        const above = loss()
        values[index] = middle - step
        const below = loss()
        values[index] = middle
        const difference = (above - below) / (2 * step)
        expect(Math.abs(derivative - difference)).toBeLessThan(step === 1e-5 ? 1e-9 : 1e-4)
        expect(Math.abs(tiled.get(table)![index]! - derivative)).toBeLessThan(1e-12)
      })
      expect(gradient.some((derivative) => derivative !== 0)).toBe(true)
    }
  })
})
