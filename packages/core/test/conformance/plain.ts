// Attention as a plain implementation of a low precision would compute it: scores and probabilities
// rounded to that precision, sums kept in float32 (or a few terms at a time in that precision too, for hardware
// that can do no other). Its error against float64 is the yardstick for
// backends: theirs may be at most twice as large (the rule of FlashAttention's own tests).
import { dropoutWeight } from '../../src/attention/dropout.ts'
import {
  bfloat16Bits,
  bfloat16Value,
  compile,
  float16Bits,
  float16Value,
  resolveOptions,
  toFloat64Array,
} from '../../src/index.ts'
import type { AttentionOptions, AttentionShape, Tensor } from '../../src/index.ts'

/** What the yardstick and every backend are compared by. */
export interface PlainResult {
  readonly output: Float64Array
  readonly logSumExp: Float64Array
}

/** The rounding of newer machines (ECMAScript 2025), which takes a tenth of the time. */
const { f16round } = Math as { readonly f16round?: (value: number) => number }

/** Rounding to each precision. */
export const rounding = {
  float32: Math.fround,
  // From float32, as hardware rounds.
  float16: f16round
    ? (value: number) => f16round(Math.fround(value))
    : (value: number) => float16Value(float16Bits(value)),
  bfloat16: (value: number) => bfloat16Value(bfloat16Bits(value)),
} as const

/**
 * Attention with S and P rounded to `precision`.
 *
 * @param narrow - Terms of a sum that are added in `precision` before float32 takes over. Default: 1.
 * @param parts - Parts the keys are cut into. The output is stored in `precision` after each, merged with
 *   what it held before, as by a program of several dispatches that keeps nothing else. Default: 1.
 * @param scoreError - What a score is off by, in place of its rounding: of the score, and the number of its row and of its
 *   key added up.
 *   Default: scores are rounded.
 */
export function plainAttention(
  precision: keyof typeof rounding,
  shape: AttentionShape,
  inputs: { readonly query: Tensor; readonly key: Tensor; readonly value: Tensor },
  options: AttentionOptions,
  narrow = 1,
  parts = 1,
  scoreError?: (score: number, place: number) => number,
): PlainResult {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const resolved = resolveOptions('plainAttention', shape, options)
  const { scale, queryOffsets, keyLengths, dropout } = resolved
  const round = rounding[precision]
  const roundScore = scoreError ? Math.fround : round
  const allows = resolved.mask && compile(resolved.mask.expression, resolved)
  const modifiers = resolved.scoreModifiers.map((each) => compile(each.expression, resolved))
  const q = toFloat64Array(inputs.query)
  const k = toFloat64Array(inputs.key)
  const v = toFloat64Array(inputs.value)
  const rows = batch * heads * queryLength
  const output = new Float64Array(rows * valueDim)
  const logSumExp = new Float64Array(rows)
  const scores = new Float64Array(keyLength)
  const probabilities = new Float64Array(keyLength)
  const weights = new Float64Array(keyLength).fill(1)
  /** A sum in float32, of parts in the narrow precision; what is undefined does not count. */
  const narrowTotal = (count: number, term: (index: number) => number | undefined): number => {
    let [all, part] = [0, 0]
    for (let index = 0; index < count; index++) {
      const one = term(index) ?? 0
      part = round(part + one)
      if ((index + 1) % narrow > 0 && index + 1 < count) continue
      all = Math.fround(all + part)
      part = 0
    }
    return all
  }
  // Each product is rounded: fused multiply-add is allowed to a GPU, not promised by it.
  const productOf = (qRow: number, kRow: number): number => {
    if (narrow > 1) {
      return narrowTotal(headDim, (d) => Math.fround(q[qRow + d]! * k[kRow + d]!))
    }
    let all = 0
    for (let d = 0; d < headDim; d++)
      all = Math.fround(all + Math.fround(q[qRow + d]! * k[kRow + d]!))
    return all
  }
  /** What the keys from one to another, without the hidden, add to an entry of an output. */
  const valueOf = (first: number, end: number, vRow: number, d: number): number => {
    const term = (key: number): number => probabilities[key]! * v[(vRow + key) * valueDim + d]!
    if (narrow > 1) {
      return narrowTotal(end - first, (index) =>
        scores[first + index] === -Infinity ? undefined : term(first + index),
      )
    }
    let all = 0
    for (let key = first; key < end; key++) {
      if (scores[key] !== -Infinity) all = Math.fround(all + term(key))
    }
    return all
  }

  for (let row = 0; row < rows; row++) {
    const queryIndex = row % queryLength
    const head = Math.floor(row / queryLength) % heads
    const b = Math.floor(row / (queryLength * heads))
    const kvRow = (b * kvHeads + Math.floor((head * kvHeads) / heads)) * keyLength
    const query = queryOffsets[b]! + queryIndex
    const where = {
      batch: b,
      head,
      query,
      queryIndex,
      queryLength,
      keyLength,
      heads,
      key: 0,
      score: 0,
    }
    for (let key = 0; key < keyLength; key++) {
      scores[key] = -Infinity
      where.key = key
      if (dropout) weights[key] = dropoutWeight(dropout, b * heads + head, query, key)
      if (key >= keyLengths[b]! || (allows && !allows(where))) continue
      where.score = roundScore(productOf(row * headDim, (kvRow + key) * headDim) * scale)
      for (const modify of modifiers) where.score = roundScore(modify(where))
      scores[key] = scoreError ? where.score + scoreError(where.score, row + key) : where.score
    }
    const sink = resolved.sinks?.[head] ?? -Infinity
    let maximum = sink
    for (const score of scores) maximum = Math.max(maximum, score)
    logSumExp[row] = maximum
    if (maximum === -Infinity) continue
    let sum = 0
    for (let key = 0; key < keyLength; key++) {
      probabilities[key] = Math.exp(scores[key]! - maximum)
      sum = Math.fround(sum + probabilities[key]!)
    }
    sum = Math.fround(sum + Math.exp(sink - maximum))
    logSumExp[row] = Math.fround(maximum + Math.log(sum))
    if (valueDim === 0) continue
    const share = (score: number): number => Math.exp(score - maximum) / sum
    /** Where the key after each part is, and how much of the row's sum lies before it. */
    let before = share(sink)
    const cuts = Array.from({ length: parts }, (_, part) => {
      const [first, end] = [part, part + 1].map((cut) => Math.round((cut * keyLength) / parts))
      before += scores.slice(first, end).reduce((all, score) => all + share(score), 0)
      return { first: first!, end: end!, before }
    })
    for (let key = 0; key < keyLength; key++) {
      probabilities[key] = round((weights[key]! * probabilities[key]!) / sum)
    }
    for (let d = 0; d < valueDim; d++) {
      let [stored, held] = [0, share(sink)]
      for (const cut of cuts) {
        const value = valueOf(cut.first, cut.end, kvRow, d)
        if (parts === 1) stored = round(value)
        else if (cut.before !== 0 || value !== 0)
          stored = round((stored * held + value) / cut.before)
        held = cut.before
      }
      output[row * valueDim + d] = stored
    }
  }
  return { output, logSumExp }
}
