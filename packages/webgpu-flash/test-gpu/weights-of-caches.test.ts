// Attention weights and largest scores over caches: keys in blocks, in pages, round a ring. They are those of the
// keys that a cache holds, by positions, or by the rows of a ring.
import { afterAll, describe, expect, test } from 'vitest'
import {
  attentionWeights,
  dequantize,
  mask,
  quantize,
  scoreModifier,
  slice,
  standardAttention,
  toFloat64Array,
} from '@attn/core'
import type { Mask, QuantizedType, Tensor, WeightsSelection } from '@attn/core'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { fill, largestError } from '../../core/test/conformance/index.ts'
import type { KeyValueCacheOptions, FlashAttention } from '../src/index.ts'
import { deviceKinds } from './devices.ts'

const gpu = await acquireGpu()
const [batch, heads, kvHeads, total, queryLength] = [2, 4, 2, 45, 3]
const causal = mask('causal', ({ query, key }) => key.le(query))
const distance = scoreModifier('distance', (score, { query, key }) =>
  score.add(key.sub(query).toFloat().mul(0.1)),
)
const ring = { window: 9, sinks: 2 }
const inRing = mask('inRing', ({ query, key }) =>
  key.le(query).and(key.lt(ring.sinks).or(query.sub(key).lt(ring.window))),
)

interface Case {
  readonly dim: number
  readonly cache: Partial<KeyValueCacheOptions>
  readonly type?: QuantizedType
  readonly mask?: Mask
  /** Rows of a ring. */
  readonly rows?: number
}
const cases: Readonly<Record<string, Case>> = {
  q8_0: { dim: 64, cache: { quantized: 'q8_0' }, type: 'q8_0' },
  'q4_0, rows that begin within a word': { dim: 96, cache: { quantized: 'q4_0' }, type: 'q4_0' },
  pages: { dim: 20, cache: { pages: { pageSize: 4, count: 40 } } },
  'pages of q8_0': {
    dim: 32,
    cache: { pages: { pageSize: 8, count: 20 }, quantized: 'q8_0' },
    type: 'q8_0',
  },
  'a ring that has turned': { dim: 20, cache: { ring, capacity: 14 }, mask: inRing, rows: 14 },
  'a ring of q4_0': {
    dim: 64,
    cache: { ring, capacity: 13, quantized: 'q4_0' },
    type: 'q4_0',
    mask: inRing,
    rows: 13,
  },
}
const selections: readonly WeightsSelection[] = [
  {},
  { reduce: 'sum over queries', queries: [1, 3] },
  { reduce: 'maximum', heads: [3, 0] },
  { reduce: 'mean over heads' },
]

describe.skipIf(!gpu).each(deviceKinds(gpu))('weights of caches, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  test.each(Object.entries(cases))(
    '%s',
    async (_name, { dim, cache: options, type, mask: seen = causal, rows }) => {
      const flash = await library()
      const query = fill(1, [batch, heads, queryLength, dim], 2)
      const key = fill(2, [batch, kvHeads, total, dim], 1)
      const cache = flash.cache({ batch, kvHeads, headDim: dim, capacity: total, ...options })
      // In chunks, so that pages of the two sequences take turns and a ring goes round.
      for (let start = 0; start < total; start += 3) {
        const tokens = flash.upload(slice(key, 2, start, start + 3))
        cache.append({ key: tokens, value: tokens })
        flash.release(tokens)
      }
      const held = type ? dequantize(quantize(key, type), key.shape, type) : key
      const scoreModifiers = [distance]
      const plan = flash.plan({
        batch,
        heads,
        kvHeads,
        headDim: dim,
        queryLength,
        keyLength: 60,
        lengths: 'call',
        mask: causal,
        scoreModifiers,
      })
      const inputs = { query: flash.upload(query), ...cache.inputs() }
      const { output, logSumExp, rowMaximum } = plan.forward({ ...inputs, rowMaximum: true })
      const rules = { mask: seen, scoreModifiers, queryOffset: total - queryLength }
      const expected = standardAttention(query, held, held, { ...rules, rowMaximum: true })
      // Blocks of a cache are those of core but where a rounding was close.
      const allowed = type ? 2e-2 : 2e-5
      const numbers = async (view: typeof output): Promise<Float64Array> =>
        toFloat64Array(await flash.download(view))
      expect(
        largestError(await numbers(rowMaximum!), toFloat64Array(expected.rowMaximum!)),
      ).toBeLessThan(allowed)
      // Of blocks the same loads, so that one kind of weights will do.
      for (const choice of type ? selections.slice(0, 1) : selections) {
        const result = plan.weights({ ...inputs, logSumExp, ...choice })
        const wanted = attentionWeights(query, held, { ...rules, ...choice })
        const columns = result.shape.at(-1)!
        expect(columns).toBe(rows ?? ('pages' in options ? 60 : total))
        const actual = await numbers(result)
        const perColumn = byColumn(wanted, columns, rows)
        expect(largestError(actual, perColumn)).toBeLessThan(allowed)
        flash.release(result)
      }
      flash.release(inputs.query, output, logSumExp, rowMaximum!)
      plan.destroy()
      cache.destroy()
    },
  )
})

/** Weights by position as columns: of positions, or of the rows of a ring. */
function byColumn(weights: Tensor, columns: number, ringRows: number | undefined): number[] {
  const values = toFloat64Array(weights)
  const outer = values.length / total
  return Array.from({ length: outer }, (_, row) => {
    const own = Array.from({ length: columns }, () => 0)
    for (let position = 0; position < total; position++) {
      const weight = values[row * total + position]!
      const turning = (ringRows ?? 0) - ring.sinks
      const column =
        ringRows === undefined || position < ring.sinks
          ? position
          : ring.sinks + ((position - ring.sinks) % turning)
      // What left the ring has a weight of 0, and its row another token.
      if (weight !== 0) own[column] = weight
    }
    return own
  }).flat()
}
