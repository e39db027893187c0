// Random attention calls in float64, for property tests: sizes, masks, modifiers, positions.
import * as fc from 'fast-check'
import { floatTable, scoreModifier, softcap } from '../../src/index.ts'
import type {
  AttentionOptions,
  AttentionShape,
  BlockMapShape,
  Mask,
  ScoreModifier,
  Tensor,
} from '../../src/index.ts'
import { fill } from '../conformance/index.ts'
import {
  alibiInTurn,
  causal,
  distantPast,
  prefixLm,
  slidingWindow,
  strided,
} from '../conformance/patterns.ts'

/** Looked up twice a pair, and not linearly: what a gradient into tables can get wrong. */
const bias = floatTable('bias', new Float64Array(6), [3, 2], { trainable: true })
const trainableBias = scoreModifier('trainableBias', (score, { head, query, key }) => {
  const near = bias.at(query.sub(key).abs(), head.mod(2))
  return score.add(near).add(bias.at(key.min(2), 1).tanh().mul(score).mul(0.5))
})

/** A random call. */
export interface Call {
  readonly shape: AttentionShape
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
  readonly dOutput: Tensor
  readonly options: AttentionOptions
}

const masks: readonly (Mask | undefined)[] = [
  undefined,
  causal,
  slidingWindow(3, 1),
  strided(3),
  prefixLm(2),
  distantPast,
]
const modifiers: readonly (readonly ScoreModifier[])[] = [
  [],
  [softcap(2)],
  [alibiInTurn([0.5, 0.25, 0.125, 0.0625, 0.1, 0.3])],
  [softcap(1.5), alibiInTurn([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])],
  [softcap(3), trainableBias, softcap(4), trainableBias],
]

/** Calls of at most `longest` queries and keys. */
export function arbitraryCall(longest: number, widest = 6): fc.Arbitrary<Call> {
  return fc
    .record({
      seed: fc.integer({ min: 1, max: 2 ** 31 }),
      batch: fc.integer({ min: 1, max: 2 }),
      kvHeads: fc.integer({ min: 1, max: 2 }),
      group: fc.integer({ min: 1, max: 3 }),
      queryLength: fc.integer({ min: 1, max: longest }),
      keyLength: fc.integer({ min: 1, max: longest }),
      headDim: fc.integer({ min: 1, max: widest }),
      valueDim: fc.integer({ min: 1, max: widest }),
      mask: fc.constantFrom(...masks),
      scoreModifiers: fc.constantFrom(...modifiers),
      scale: fc.option(fc.double({ min: -1, max: 1, noNaN: true }), { nil: undefined }),
      dropout: fc.option(
        fc.record({
          rate: fc.constantFrom(0.2, 0.7),
          seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        }),
        { nil: undefined, freq: 2 },
      ),
      withSinks: fc.boolean(),
      queryOffset: fc.option(fc.integer({ min: -4, max: longest }), { nil: undefined }),
      padding: fc.option(fc.array(fc.nat(longest), { minLength: 2, maxLength: 2 }), {
        nil: undefined,
      }),
    })
    .map(({ seed, batch, kvHeads, group, queryLength, keyLength, headDim, valueDim, ...rest }) => {
      const { mask, scoreModifiers, scale, dropout, withSinks, queryOffset, padding } = rest
      const heads = kvHeads * group
      const shape = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
      const keyLengths = padding?.slice(0, batch).map((length) => Math.min(length, keyLength))
      return {
        shape,
        query: fill(seed, [batch, heads, queryLength, headDim], 2, 'float64'),
        key: fill(seed + 1, [batch, kvHeads, keyLength, headDim], 2, 'float64'),
        value: fill(seed + 2, [batch, kvHeads, keyLength, valueDim], 1, 'float64'),
        dOutput: fill(seed + 3, [batch, heads, queryLength, valueDim], 1, 'float64'),
        options: {
          scoreModifiers,
          ...(mask && { mask }),
          ...(scale !== undefined && { scale }),
          ...(dropout && { dropout }),
          ...(withSinks && { sinks: fill(seed + 4, [heads], 2, 'float64').storage }),
          ...(queryOffset !== undefined && { queryOffset }),
          ...(keyLengths && { keyLengths }),
        },
      }
    })
}

/** What a block map for the call is planned from. */
export function planShape({ shape, options }: Call): BlockMapShape {
  const { queryOffset, keyLengths } = options
  return {
    ...shape,
    ...(queryOffset !== undefined && { queryOffset }),
    ...(keyLengths && { keyLengths }),
  }
}
