// What keeping keys and values in fewer bits does to attention, by the length of the context: outputs against
// float64 of the numbers as they were. Keys of models are not normal: a few channels are much larger than the
// others (KIVI, arXiv 2402.02750), which spoils the scale of their whole block. Three remedies are tried: a Hadamard
// rotation of queries and keys, which leaves products as they are and spreads channels over all (QuaRot, arXiv
// 2404.00456), scaling every channel of the keys by its largest value, which queries undo, and blocks of 32 tokens
// of one channel (as KIVI has them) instead of 32 channels of one token.
import { cast, dequantize, quantize, tensor, toFloat64Array } from '@attn/core'
import type { QuantizedType } from '@attn/core'
import { normal } from '../inputs/normal.ts'
import { storages } from './report.ts'
import type { CacheErrors, Storage } from './report.ts'

const dim = 128
const queries = 8
/** Every so many-th channel is large, and so much. */
const outliers = { every: 29, factor: 12 } as const

/** Errors of attention over so many tokens. */
export function measureErrors(keyLength: number): CacheErrors {
  return {
    keyLength,
    relative: { normal: errorsOf(keyLength, 1), outliers: errorsOf(keyLength, outliers.factor) },
  }
}

function errorsOf(length: number, factor: number): Readonly<Record<Storage, number>> {
  let index = 0
  const next = (): number => normal(length, index++)
  const channels = Float64Array.from({ length: dim }, (_, d) =>
    d % outliers.every === outliers.every - 1 ? factor : 1,
  )
  const perQuery = Math.sqrt(channels.reduce((sum, scale) => sum + scale * scale, 0) / dim)
  const keys = Float64Array.from({ length: length * dim }, (_, i) => next() * channels[i % dim]!)
  const values = Float64Array.from({ length: length * dim }, next)
  // Scores spread by about 2, whatever the channels are.
  const query = Float64Array.from({ length: queries * dim }, () => (2 * next()) / perQuery)
  const exact = attend(query, keys, values)
  const largest = channels.map((_, d) => {
    let most = 0
    for (let i = d; i < keys.length; i += dim) most = Math.max(most, Math.abs(keys[i]!))
    return most
  })
  const byChannel = (rows: Float64Array, sign: 1 | -1): Float64Array =>
    rows.map((x, i) => (sign === 1 ? x * largest[i % dim]! : x / largest[i % dim]!))
  const results: Readonly<Record<Storage, () => Float64Array>> = {
    float16: () => attend(query, halves(keys), halves(values)),
    q8_0: () => attend(query, blocks(keys, 'q8_0'), blocks(values, 'q8_0')),
    q4_0: () => attend(query, blocks(keys, 'q4_0'), blocks(values, 'q4_0')),
    'keys q8_0, values q4_0': () => attend(query, blocks(keys, 'q8_0'), blocks(values, 'q4_0')),
    'q4_0, rotated': () =>
      attend(hadamard(query), blocks(hadamard(keys), 'q4_0'), blocks(values, 'q4_0')),
    'q4_0, keys by channel': () =>
      attend(byChannel(query, 1), blocks(byChannel(keys, -1), 'q4_0'), blocks(values, 'q4_0')),
    'q4_0, keys along tokens': () =>
      attend(query, alongTokens(keys, 'q4_0'), blocks(values, 'q4_0')),
    'q8_0, keys along tokens': () =>
      attend(query, alongTokens(keys, 'q8_0'), blocks(values, 'q8_0')),
  }
  const size = Math.hypot(...exact)
  return Object.fromEntries(
    storages.map((name) => {
      const output = results[name]()
      return [name, Math.hypot(...output.map((x, i) => x - exact[i]!)) / size]
    }),
  ) as Record<Storage, number>
}

const halves = (rows: Float64Array): Float64Array =>
  toFloat64Array(cast(tensor(rows, [rows.length]), 'float16'))

const blocks = (rows: Float64Array, type: QuantizedType): Float64Array =>
  toFloat64Array(dequantize(quantize(tensor(rows, [rows.length]), type), [rows.length], type))

/** Blocks of 32 tokens of one channel. */
function alongTokens(rows: Float64Array, type: QuantizedType): Float64Array {
  const length = rows.length / dim
  return turned(blocks(turned(rows, length, dim), type), dim, length)
}

/** Columns as rows. */
const turned = (numbers: Float64Array, rows: number, columns: number): Float64Array =>
  numbers.map((_, i) => numbers[(i % rows) * columns + Math.floor(i / rows)]!)

/** Each row times the normalised Hadamard matrix of its size. */
function hadamard(rows: Float64Array): Float64Array {
  const result = rows.slice()
  for (let first = 0; first < rows.length; first += dim) {
    for (let step = 1; step < dim; step *= 2) {
      for (let i = 0; i < dim; i++) {
        if ((i & step) !== 0) continue
        const [a, b] = [result[first + i]!, result[first + i + step]!]
        result[first + i] = a + b
        result[first + i + step] = a - b
      }
    }
  }
  return result.map((x) => x / Math.sqrt(dim))
}

/** Softmax attention of all queries, in float64. */
function attend(query: Float64Array, keys: Float64Array, values: Float64Array): Float64Array {
  const length = keys.length / dim
  const output = new Float64Array(queries * dim)
  const scores = new Float64Array(length)
  for (let q = 0; q < queries; q++) {
    let most = -Infinity
    for (let key = 0; key < length; key++) {
      let sum = 0
      for (let d = 0; d < dim; d++) sum += query[q * dim + d]! * keys[key * dim + d]!
      const score = sum / Math.sqrt(dim)
      scores[key] = score
      most = Math.max(most, score)
    }
    let total = 0
    for (let key = 0; key < length; key++) {
      const weight = Math.exp(scores[key]! - most)
      total += weight
      for (let d = 0; d < dim; d++) output[q * dim + d]! += weight * values[key * dim + d]!
    }
    for (let d = 0; d < dim; d++) output[q * dim + d]! /= total
  }
  return output
}
