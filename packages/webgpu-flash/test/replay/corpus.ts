// The calls that are planned for every adapter: sizes, types, masks, modifiers and options that people
// have, each thing at least once. A call stays as it is once it is here; new ones are added.
import {
  biasFromTensor,
  floatParameter,
  mask,
  maskFromTensor,
  scoreModifier,
  softcap,
} from '@attn/core'
import type { DType, Mask, OrderProposal, QuantizedType } from '@attn/core'
import {
  alibi,
  causal,
  causalDocuments,
  distantPast,
  fixed,
  prefixLm,
  slidingWindow,
  strided,
  t5Bias,
} from '../../../core/test/conformance/patterns.ts'
import { randomNumbers } from '../../../core/test/conformance/fill.ts'
import type { PlanOptions } from '../../src/index.ts'
import { rotaryEmbedding } from '../../test-gpu/rotary-definition.ts'

/** A call to plan and to run, forward and, where it trains, backward. */
export interface ReplayedCall {
  readonly name: string
  readonly options: PlanOptions
  /** Whether tensors lie in memory as `[batch, length, heads, dim]`. Default: false. */
  readonly transposed?: boolean
  /** The kind of blocks of a cache that keys and values are read from. Default: they are tensors. */
  readonly quantized?: QuantizedType
  /** What a call gives beside its tensors. */
  readonly given?: {
    readonly parameters?: Readonly<Record<string, number>>
    readonly keyLengths?: number
  }
}

const half: { readonly dtype: DType } = { dtype: 'float16' }
const square = (heads: number, queryLength: number, headDim: number) => ({
  heads,
  queryLength,
  headDim,
})
const grouped = (heads: number, kvHeads: number, queryLength: number, headDim: number) => ({
  ...square(heads, queryLength, headDim),
  kvHeads,
})
const decoding = (queryLength: number, keyLength: number) => ({
  ...grouped(32, 8, queryLength, 128),
  keyLength,
})
const training = { training: true }
const proposing = (whole: Mask, ...orders: readonly OrderProposal[]): Mask => ({ ...whole, orders })

const documents = causalDocuments(Array.from({ length: 700 }, (_, i) => Math.floor(i / 90)))
const perHead = mask('headStride', ({ head, query, key }) =>
  query.sub(key).mod(head.add(2)).eq(0).and(key.le(query)),
)
const visible = maskFromTensor(
  Array.from(randomNumbers(3, 100 * 100), (value) => value > -0.2),
  [1, 1, 100, 100],
)
const bias = biasFromTensor(randomNumbers(4, 2 * 100 * 100), [1, 2, 100, 100])
const temperature = floatParameter('temperature', { minimum: 0.1, maximum: 10 })
const divided = scoreModifier('temperature', (score) => score.div(temperature))
const t5 = t5Bias(Float32Array.from(randomNumbers(5, 64)), 2, {
  numBuckets: 32,
  maxDistance: 128,
  bidirectional: false,
}).modifier
const slopes = alibi([0.5, 0.25, 0.125, 0.0625])
const dropout = { rate: 0.1, seed: 42 }
const sequences = { cumulativeQueryLengths: [0, 100, 101, 350, 700] }

const forward: readonly ReplayedCall[] = [
  { name: 'f32 33 D16', options: square(2, 33, 16) },
  { name: 'f32 4096 D64', options: square(8, 4096, 64) },
  { name: 'f32 1024 D64 causal', options: { ...square(8, 1024, 64), mask: causal } },
  { name: 'f32 100 D128', options: square(4, 100, 128) },
  { name: 'f32 500 D80', options: square(4, 500, 80) },
  { name: 'f32 200 D256 Dv128', options: { ...square(2, 200, 256), valueDim: 128 } },
  { name: 'f32 300 D7 Dv5', options: { ...square(2, 300, 7), valueDim: 5 } },
  { name: 'f16 4096 D64', options: { ...square(16, 4096, 64), ...half } },
  { name: 'f16 2048 D128 causal', options: { ...square(16, 2048, 128), ...half, mask: causal } },
  { name: 'f16 500 D96 causal', options: { ...square(4, 500, 96), ...half, mask: causal } },
  { name: 'f16 300 D20 Dv12', options: { ...square(2, 300, 20), valueDim: 12, ...half } },
  {
    name: 'f16 4096 D128 grouped 32/8 causal',
    options: { ...grouped(32, 8, 4096, 128), ...half, mask: causal },
  },
  { name: 'f16 1000 D64 one key head', options: { ...grouped(8, 1, 1000, 64), ...half } },
  {
    name: 'f16 8192 D64 window 512',
    options: { ...square(8, 8192, 64), ...half, mask: slidingWindow(512, 0) },
  },
  { name: 'f32 2048 D64 strided 64', options: { ...square(2, 2048, 64), mask: strided(64) } },
  {
    name: 'f32 8192 D64 strided 128 in orders',
    options: {
      ...square(1, 8192, 64),
      mask: proposing(strided(128), { kind: 'residues', stride: 128 }),
    },
  },
  {
    name: 'f16 8192 D64 fixed 128 in orders',
    options: {
      ...square(1, 8192, 64),
      ...half,
      mask: proposing(fixed(128, 4), { kind: 'periodicKeys', period: 128, first: 124, count: 4 }),
    },
  },
  { name: 'f32 700 D32 documents', options: { ...square(2, 700, 32), mask: documents } },
  { name: 'f32 200 D16 mask by head', options: { ...square(4, 200, 16), mask: perHead } },
  { name: 'f32 100 D16 mask tensor', options: { ...square(2, 100, 16), mask: visible } },
  {
    name: 'f16 100 D16 bias tensor',
    options: { ...square(2, 100, 16), ...half, scoreModifiers: [bias] },
  },
  {
    name: 'f32 500 D64 softcap ALiBi causal',
    options: { ...square(4, 500, 64), mask: causal, scoreModifiers: [softcap(30), slopes] },
  },
  { name: 'f32 500 D64 T5', options: { ...square(2, 500, 64), scoreModifiers: [t5] } },
  {
    name: 'f32 200 D32 parameter prefix',
    options: { ...square(2, 200, 32), mask: prefixLm(50), scoreModifiers: [divided] },
    given: { parameters: { temperature: 2 } },
  },
  { name: 'f32 500 D64 dropout', options: { ...square(4, 500, 64), dropout } },
  {
    name: 'f16 1000 D64 sinks window',
    options: {
      ...grouped(8, 2, 1000, 64),
      ...half,
      mask: slidingWindow(128, 0),
      sinks: [0, 1, 2, 3, -1, -2, -3, 0.5],
    },
  },
  {
    name: 'f16 700 D64 packed causal',
    options: { ...square(4, 700, 64), ...half, mask: causal, sequences },
  },
  {
    name: 'f16 512 D128 rope causal',
    options: { ...grouped(8, 2, 512, 128), ...half, mask: causal, rope: rotaryEmbedding(128) },
  },
  {
    name: 'f32 3x100 D64 padded',
    options: { batch: 3, ...square(2, 100, 64), keyLengths: [100, 0, 37] },
  },
  {
    name: 'f32 2x70 of 300 D64 offsets',
    options: {
      batch: 2,
      ...square(2, 70, 64),
      keyLength: 300,
      mask: causal,
      queryOffset: [3, -20],
    },
  },
  {
    name: 'f32 200 D64 tokens outside',
    options: { ...square(4, 200, 64), mask: causal },
    transposed: true,
  },
  { name: 'f32 200 D16 hidden rows', options: { ...square(2, 200, 16), mask: distantPast } },
  {
    name: 'f32 600 D64 tile 32x32',
    options: {
      ...square(2, 600, 64),
      tile: {
        queries: 32,
        keys: 32,
        threadRows: 8,
        threadColumns: 8,
        dimChunk: 32,
        valueChunk: 32,
      },
    },
  },
]

const decode: readonly ReplayedCall[] = [
  { name: 'decode f16 1 of 4096', options: { ...decoding(1, 4096), ...half } },
  { name: 'decode f32 1 of 4096', options: decoding(1, 4096) },
  {
    name: 'decode f16 16 of 2048 causal',
    options: { ...decoding(16, 2048), ...half, mask: causal },
  },
  {
    name: 'decode f16 1 of 777 by call',
    options: { ...decoding(1, 4096), ...half, lengths: 'call', mask: causal },
    given: { keyLengths: 777 },
  },
  {
    name: 'decode f16 1 of 4096 over q8_0',
    options: { ...decoding(1, 4096), ...half, lengths: 'call' },
    quantized: 'q8_0',
  },
  {
    name: 'decode f16 1 of 4096 over q4_0 causal',
    options: { ...decoding(1, 4096), ...half, lengths: 'call', mask: causal },
    quantized: 'q4_0',
  },
  {
    name: 'decode f32 4 of 1000 sinks softcap',
    options: {
      ...grouped(4, 1, 4, 64),
      keyLength: 1000,
      mask: slidingWindow(300, 0),
      sinks: [0, 1, 2, 3],
      scoreModifiers: [softcap(30)],
    },
  },
]

const trained: readonly ReplayedCall[] = [
  {
    name: 'train f32 512 D64 causal',
    options: { ...square(4, 512, 64), ...training, mask: causal },
  },
  {
    name: 'train f32 1500 D128 grouped causal',
    options: { ...grouped(4, 2, 1500, 128), ...training, mask: causal },
  },
  {
    name: 'train f16 1024 D128 grouped causal',
    options: { ...grouped(8, 2, 1024, 128), ...half, ...training, mask: causal },
  },
  {
    name: 'train f32 1500 D64 dropout sinks',
    options: { ...square(2, 1500, 64), ...training, dropout, sinks: [0.5, -1] },
  },
  {
    name: 'train f32 300 D32 T5 softcap',
    options: { ...square(2, 300, 32), ...training, scoreModifiers: [t5, softcap(20)] },
  },
  {
    name: 'train f16 700 D64 packed causal',
    options: { ...square(4, 700, 64), ...half, ...training, mask: causal, sequences },
  },
  ...[{}, half].map((type) => ({
    name: `train ${type === half ? 'f16' : 'f32'} 4096 D64 strided 64 in orders`,
    options: {
      ...square(2, 4096, 64),
      ...type,
      ...training,
      mask: proposing(strided(64), { kind: 'residues', stride: 64 }),
    },
  })),
  { name: 'train f32 16 D96 causal', options: { ...square(2, 16, 96), ...training, mask: causal } },
  {
    name: 'train f32 1500 D64 rope causal',
    options: { ...square(4, 1500, 64), ...training, mask: causal, rope: rotaryEmbedding(64) },
  },
]

export const replayedCalls: readonly ReplayedCall[] = [...forward, ...decode, ...trained]
