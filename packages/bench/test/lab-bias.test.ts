// Expressions at many pairs at once, against @attn/core's reading of them pair by pair; and the kernels as
// they are kept, against their sources.
import { compile, differentiateTables, floatTable, scoreModifier } from '@attn/core'
import type { FloatExpression, IntegerExpression, ScoreModifier, Table } from '@attn/core'
import { fire, kerpleLog, kerplePower, t5Bias } from '@attn/positions'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arrayEvaluator } from '../src/lab/bias/array-evaluator.ts'
import { biasPairs } from '../src/lab/bias/pairs.ts'
import { kernelSources } from '../src/lab/kernels/module.ts'
import { sourceDigest } from '../wasm/source-digest.ts'

const heads = 2
const length = 9
const pairs = biasPairs(heads, 0, length)
const pointAt = (pair: number) => ({
  score: 0,
  batch: 0,
  head: pairs.head[pair]!,
  query: pairs.query[pair]!,
  queryIndex: pairs.query[pair]!,
  key: pairs.key[pair]!,
  queryLength: length,
  keyLength: length,
  heads,
})

/** The largest difference of values and of gradients. */
function disagreement({ expression }: ScoreModifier): number {
  let most = 0
  const compare = (found: number, wanted: number): void => {
    most = Math.max(most, Math.abs(found - wanted) / Math.max(1, Math.abs(wanted)))
  }
  const evaluator = arrayEvaluator(expression, pairs, { length, heads })
  const one = compile(expression)
  const values = evaluator.values().slice()
  values.forEach((value, pair) => compare(value, one(pointAt(pair))))

  const gradient = values.map((_, pair) => Math.sin(pair))
  const derivatives = differentiateTables(expression)
  const tables = [...new Set(derivatives.map(({ table }) => table))]
  const empty = (): Map<Table, Float64Array> =>
    new Map(tables.map((table) => [table, new Float64Array(table.values.length)]))
  const [found, wanted] = [empty(), empty()]
  evaluator.pullback(gradient, found)
  for (const { table, entry, derivative } of derivatives) {
    const [entryAt, slopeAt] = [compile(entry), compile(derivative)]
    gradient.forEach((each, pair) => {
      wanted.get(table)![entryAt(pointAt(pair))]! += each * slopeAt(pointAt(pair))
    })
  }
  for (const table of tables) {
    found.get(table)!.forEach((value, place) => {
      compare(value, wanted.get(table)![place]!)
    })
  }
  return most
}

describe('an expression at many pairs', () => {
  const numbers = (count: number, scale = 1): Float64Array =>
    Float64Array.from({ length: count }, (_, index) => scale * (0.3 + Math.sin(index + 1)))

  test('agrees with @attn/core on biases that are trained', () => {
    const table = numbers(8 * heads)
    const t5 = t5Bias({ heads, buckets: 8, maxDistance: 7, bidirectional: false, table })
    const log = kerpleLog({ heads, scale: [1, 2], rate: [0.5, 0.001] })
    const power = kerplePower({ heads, scale: [1, 2], exponent: [0.5, 1.5] })
    const network = fire({
      heads,
      inputWeights: numbers(3),
      inputBiases: numbers(3, 0.5),
      outputWeights: numbers(3 * heads, -1),
      outputBiases: numbers(heads),
      threshold: 4,
    })
    for (const bias of [t5, log, power, network]) expect(disagreement(bias)).toBeLessThan(1e-9)
  })

  test('agrees with it on any tree', () => {
    const table = floatTable('entries', numbers(length), [length], { trainable: true })
    type Build = (read: (index: number) => FloatExpression) => FloatExpression
    const { tree } = fc.letrec<{ tree: Build }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.nat(2).map(
          (index): Build =>
            (read) =>
              read(index),
        ),
        fc.tuple(tie('tree'), tie('tree'), fc.nat(6)).map(([a, b, kind]): Build => (read) => {
          const [x, y] = [a(read), b(read)]
          return [
            () => x.add(y),
            () => x.sub(y),
            () => x.mul(y),
            () => x.div(y.mul(y).add(2)),
            () => x.min(y),
            () => x.max(y),
            () => x.gt(y).select(x.tanh(), y.cos()),
          ][kind]!()
        }),
        fc.tuple(tie('tree'), fc.nat(6)).map(([a, kind]): Build => (read) => {
          const x = a(read)
          return [
            () => x.neg(),
            () => x.abs(),
            () => x.tanh().exp(),
            () => x.abs().add(1).log(),
            () => x.abs().add(0.5).sqrt(),
            () => x.sin(),
            () => x.abs().add(1).pow(x.tanh()),
          ][kind]!()
        }),
      ),
    }))
    fc.assert(
      fc.property(tree, (build) => {
        const leaf = (
          index: number,
          query: IntegerExpression,
          key: IntegerExpression,
          head: IntegerExpression,
        ): FloatExpression =>
          [
            () => table.at(query.sub(key)),
            () => table.at(key.add(head)).mul(0.5),
            () => query.sub(key).toFloat(),
          ][index]!()
        const modifier = scoreModifier('any', (score, { query, key, head }) =>
          score.add(build((index) => leaf(index, query, key, head))),
        )
        expect(disagreement(modifier)).toBeLessThan(1e-8)
      }),
      { numRuns: 60 },
    )
  })
})

test('the kernels were compiled from their sources as they are', () => {
  expect(kernelSources, 'run node wasm/compile.ts in packages/bench').toBe(sourceDigest())
})
