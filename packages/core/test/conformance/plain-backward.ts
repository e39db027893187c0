// The yardstick of the backward pass: S, P, dP and dS rounded to a low precision, sums in float32.
import { pairGradients } from '../../src/attention/pair-gradients.ts'
import { pairRules } from '../../src/attention/pair-rules.ts'
import { resolveOptions, toFloat64Array } from '../../src/index.ts'
import type { AttentionOptions, AttentionShape, Table, Tensor } from '../../src/index.ts'
import { plainAttention, rounding } from './plain.ts'

/** Gradients as plain numbers. */
export interface PlainGradients {
  readonly dQuery: Float64Array
  readonly dKey: Float64Array
  readonly dValue: Float64Array
  readonly dTables: ReadonlyMap<Table, ArrayLike<number>>
  readonly dSinks: Float64Array
}

/** What the forward pass leaves of each row, in place of what the plain one comes to. */
export interface SavedRows {
  /** `rowsum(dO * O)`. */
  readonly deltas?: ArrayLike<number>
  readonly logSumExp?: ArrayLike<number>
}

/** What another plain program may do. */
export interface OtherProgram extends SavedRows {
  /** What a score is off by in both passes, in place of its rounding: see plainAttention. Default: scores are rounded. */
  readonly scoreError?: (score: number, place: number) => number
  /**
   * Whether pairs whose weight is less than the least normal float32 have no gradient, whatever they meet: 0 times Infinity
   * is NaN otherwise. Default: false.
   */
  readonly leavesOut?: boolean
}

/** Devices may take smaller numbers for 0. */
const leastNormal = 2 ** -126

/** The gradients with intermediate matrices rounded to `precision`. */
export function plainBackward(
  precision: keyof typeof rounding,
  shape: AttentionShape,
  inputs: { readonly query: Tensor; readonly key: Tensor; readonly value: Tensor },
  dOutput: Tensor,
  options: AttentionOptions,
  { scoreError, leavesOut = false, ...saved }: OtherProgram = {},
): PlainGradients {
  const { heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const resolved = resolveOptions('plainBackward', shape, options)
  const round = rounding[precision]
  const roundScore = scoreError ? Math.fround : round
  const rules = pairRules(shape, resolved)
  const modifiers = pairGradients(shape, resolved)
  const q = toFloat64Array(inputs.query)
  const k = toFloat64Array(inputs.key)
  const v = toFloat64Array(inputs.value)
  const dO = toFloat64Array(dOutput)
  const { output, logSumExp: own } = plainAttention(
    precision,
    shape,
    inputs,
    options,
    1,
    1,
    scoreError,
  )
  const logSumExp = saved.logSumExp ?? own
  const dQuery = new Float64Array(q.length)
  const dKey = new Float64Array(k.length)
  const dValue = new Float64Array(v.length)
  const dSinks = new Float64Array(heads)

  for (let row = 0; row < logSumExp.length; row++) {
    const i = row % queryLength
    const h = Math.floor(row / queryLength) % heads
    const b = Math.floor(row / (queryLength * heads))
    const kvRow = (b * kvHeads + Math.floor((h * kvHeads) / heads)) * keyLength
    const delta = saved.deltas?.[row] ?? dot(dO, row * valueDim, output, row * valueDim, valueDim)
    const sink = resolved.sinks?.[h] ?? -Infinity
    if (sink > -Infinity) dSinks[h]! -= Math.exp(sink - logSumExp[row]!) * delta
    rules.atQuery(b, h, i)
    for (let j = 0; j < keyLength; j++) {
      if (!rules.visible(j)) continue
      const [qRow, kRow, vRow] = [row * headDim, (kvRow + j) * headDim, (kvRow + j) * valueDim]
      const product = roundScore(dot(q, qRow, k, kRow, headDim) * resolved.scale)
      const modified = roundScore(rules.modify(product, j))
      if (modified === -Infinity) continue
      const score = modified + (scoreError?.(modified, row + j) ?? 0)
      const share = Math.exp(score - logSumExp[row]!)
      const probability = round(share)
      const weight = rules.weight(j)
      const dP = round(weight * dot(dO, row * valueDim, v, vRow, valueDim))
      const dS = leavesOut && share < leastNormal ? 0 : round(probability * (dP - delta))
      const dProduct = round(resolved.scale * modifiers.backward(b, h, i, j, product, dS))
      addScaled(dValue, vRow, round(weight * probability), dO, row * valueDim, valueDim)
      addScaled(dQuery, qRow, dProduct, k, kRow, headDim)
      addScaled(dKey, kRow, dProduct, q, qRow, headDim)
    }
  }
  return {
    dQuery: dQuery.map(round),
    dKey: dKey.map(round),
    dValue: dValue.map(round),
    dTables: modifiers.dTables,
    dSinks,
  }
}

function dot(a: Float64Array, i: number, b: Float64Array, j: number, length: number): number {
  let sum = 0
  for (let d = 0; d < length; d++) sum = Math.fround(sum + a[i + d]! * b[j + d]!)
  return sum
}

function addScaled(
  to: Float64Array,
  i: number,
  factor: number,
  from: Float64Array,
  j: number,
  length: number,
): void {
  for (let d = 0; d < length; d++) to[i + d] = Math.fround(to[i + d]! + factor * from[j + d]!)
}
