// Everything the ONNX operator Attention (opset 24, with its errata on causal alignment and softcap)
// can state, stated with attn's options. The oracle follows the text of the operator, on nested lists.
import { describe, expect, test } from 'vitest'
import {
  biasFromTensor,
  floatTable,
  mask,
  maskFromTensor,
  permute,
  scoreModifier,
  softcap,
  standardAttention,
  tensor,
  tensorFrom,
  toFloat64Array,
} from '../../src/index.ts'
import type { AttentionOptions, Mask, ScoreModifier, Tensor } from '../../src/index.ts'
import { fill, largestError, randomNumbers } from '../conformance/index.ts'
import { causal, slidingWindow } from '../conformance/patterns.ts'

interface OnnxInputs {
  readonly Q: Tensor
  readonly K: Tensor
  readonly V: Tensor
  /** Additive mask of pair (b, h, i, j); boolean masks are 0 and -Infinity. */
  readonly attnMask?: (b: number, h: number, i: number, j: number) => number
  readonly pastKey?: Tensor
  readonly pastValue?: Tensor
  readonly nonpadKvSeqlen?: readonly number[]
  readonly isCausal?: boolean
  readonly scale?: number
  readonly softcap?: number
}

interface OnnxOutputs {
  readonly Y: Float64Array
  /** qk_matmul_output in its modes 0 to 3. */
  readonly modes: readonly [Float64Array, Float64Array, Float64Array, Float64Array]
}

function onnxAttention(inputs: OnnxInputs): OnnxOutputs {
  const K = concatenate(inputs.pastKey, inputs.K)
  const V = concatenate(inputs.pastValue, inputs.V)
  const [batch, heads, L, D] = inputs.Q.shape as [number, number, number, number]
  const [, kvHeads, S, Dv] = V.shape as [number, number, number, number]
  const scale = inputs.scale ?? 1 / Math.sqrt(D)
  const past = inputs.pastKey?.shape[2]
  const size = batch * heads * L * S
  const modes = [0, 1, 2, 3].map(() => new Float64Array(size)) as unknown as OnnxOutputs['modes']
  const Y = new Float64Array(batch * heads * L * Dv)
  for (let b = 0; b < batch; b++) {
    const valid = inputs.nonpadKvSeqlen?.[b]
    const offset = past ?? (valid === undefined ? 0 : valid - L)
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor(h / (heads / kvHeads))
      for (let i = 0; i < L; i++) {
        const row = (b * heads + h) * L + i
        for (let j = 0; j < S; j++) {
          const at = row * S + j
          for (let d = 0; d < D; d++) {
            modes[0][at]! += element(inputs.Q, b, h, i, d) * element(K, b, kv, j, d) * scale
          }
          const cap = inputs.softcap ?? 0
          modes[1][at] = cap > 0 ? cap * Math.tanh(modes[0][at]! / cap) : modes[0][at]!
          const bias = inputs.attnMask?.(b, h, i, j) ?? 0
          const hidden = (inputs.isCausal && j > i + offset) || (valid !== undefined && j >= valid)
          modes[2][at] = hidden ? -Infinity : modes[1][at] + bias
        }
        const scores = modes[2].subarray(row * S, (row + 1) * S)
        const largest = Math.max(...scores)
        const exponentials = scores.map((score) =>
          largest === -Infinity ? 0 : Math.exp(score - largest),
        )
        const sum = exponentials.reduce((total, value) => total + value, 0)
        for (let j = 0; j < S; j++) {
          const probability = sum === 0 ? 0 : exponentials[j]! / sum
          modes[3][row * S + j] = probability
          for (let d = 0; d < Dv; d++) Y[row * Dv + d]! += probability * element(V, b, kv, j, d)
        }
      }
    }
  }
  return { Y, modes }
}

function element(view: Tensor, b: number, h: number, i: number, d: number): number {
  const [batchStride, headStride, rowStride, dimStride] = view.strides as typeof view.strides &
    readonly [number, number, number, number]
  const index = b * batchStride + h * headStride + i * rowStride + d * dimStride
  return view.storage[view.offset + index]!
}

/** past_key and K joined along the length: what a KV cache holds. */
function concatenate(past: Tensor | undefined, now: Tensor): Tensor {
  if (!past) return now
  const [batch, heads, length, dim] = now.shape as [number, number, number, number]
  const before = past.shape[2]!
  const values: number[] = []
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < before + length; i++)
        for (let d = 0; d < dim; d++)
          values.push(i < before ? element(past, b, h, i, d) : element(now, b, h, i - before, d))
  return tensorFrom(values, [batch, heads, before + length, dim], 'float64')
}

const random = (seed: number, ...shape: number[]): Tensor => fill(seed, shape, 2, 'float64')
const Q = random(1, 2, 4, 5, 6)
const K = random(2, 2, 2, 7, 6)
const V = random(3, 2, 2, 7, 3)

/** Both masks, as `is_causal` joins `attn_mask`. */
const both = (a: Mask, b: Mask): Mask => mask('both', () => a.expression.and(b.expression))

const rounding = 1e-13

/** Largest difference in Y and in modes 2 and 3 between the operator and a call. */
function difference(
  onnx: Partial<OnnxInputs>,
  options: AttentionOptions,
  [query, key, value]: readonly [Tensor, Tensor, Tensor] = [Q, K, V],
): number {
  const expected = onnxAttention({ Q, K, V, ...onnx })
  const result = standardAttention(query, key, value, options)
  return Math.max(
    largestError(toFloat64Array(result.output), expected.Y),
    largestError(result.scores.storage, expected.modes[2]),
    largestError(result.probabilities.storage, expected.modes[3]),
  )
}

/** What the operator is given in three dimensions, seen as four. */
function fromThree(view: Tensor): Tensor {
  const [batch, heads, length, dim] = view.shape as [number, number, number, number]
  const memory = toFloat64Array(permute(view, [0, 2, 1, 3]))
  return permute(tensor(memory, [batch, length, heads, dim]), [0, 2, 1, 3])
}

describe('ONNX Attention, opset 24', () => {
  test('defaults, with q_num_heads a multiple of kv_num_heads', () => {
    expect(difference({}, {})).toBeLessThan(rounding)
  })

  test('three-dimensional inputs are views: [batch, length, heads * dim]', () => {
    expect(difference({}, {}, [fromThree(Q), fromThree(K), fromThree(V)])).toBeLessThan(rounding)
  })

  test('scale', () => {
    expect(difference({ scale: 0.25 }, { scale: 0.25 })).toBeLessThan(rounding)
  })

  test('is_causal without a cache counts from the first key', () => {
    expect(difference({ isCausal: true }, { mask: causal, queryOffset: 0 })).toBeLessThan(rounding)
  })

  test('attn_mask of booleans, in every shape that broadcasts', () => {
    const values = Array.from(randomNumbers(4, 2 * 4 * 5 * 7), (value) => value > -0.2)
    for (const shape of [
      [1, 1, 5, 7],
      [1, 4, 5, 7],
      [2, 4, 5, 7],
      [2, 1, 1, 7],
    ] as const) {
      const [batch, heads, rows] = shape
      const at = (b: number, h: number, i: number, j: number): number =>
        (((b % batch) * heads + (h % heads)) * rows + (i % rows)) * 7 + j
      const count = batch * heads * rows * 7
      const attnMask = (...pair: [number, number, number, number]): number =>
        values[at(...pair)] ? 0 : -Infinity
      expect(
        difference({ attnMask }, { mask: maskFromTensor(values.slice(0, count), shape) }),
      ).toBeLessThan(rounding)
    }
  })

  test('attn_mask of floats is added, and -Infinity hides', () => {
    const values = randomNumbers(5, 35).map((value) => (value > 0.7 ? -Infinity : value))
    const bias = biasFromTensor(values, [1, 1, 5, 7])
    expect(
      difference({ attnMask: (_, __, i, j) => values[i * 7 + j]! }, { scoreModifiers: [bias] }),
    ).toBeLessThan(rounding)
  })

  test('an attn_mask shorter than the keys hides the rest', () => {
    const values = randomNumbers(6, 20)
    const table = floatTable('short', values, [5, 4])
    const short = scoreModifier('short', (score, { queryIndex, key }) =>
      score.add(table.at(queryIndex, key.min(3))),
    )
    const width = mask('width', ({ key }) => key.lt(4))
    expect(
      difference(
        { attnMask: (_, __, i, j) => (j < 4 ? values[i * 4 + j]! : -Infinity) },
        { scoreModifiers: [short], mask: width },
      ),
    ).toBeLessThan(rounding)
  })

  test('is_causal together with attn_mask', () => {
    const values = Array.from(randomNumbers(7, 35), (value) => value > 0)
    expect(
      difference(
        { isCausal: true, attnMask: (_, __, i, j) => (values[i * 7 + j] ? 0 : -Infinity) },
        { mask: both(causal, maskFromTensor(values, [1, 1, 5, 7])), queryOffset: 0 },
      ),
    ).toBeLessThan(rounding)
  })

  test('softcap comes before the mask', () => {
    const values = randomNumbers(8, 35).map((value) => (value > 0.5 ? -Infinity : value))
    const modifiers: ScoreModifier[] = [softcap(1.5), biasFromTensor(values, [1, 1, 5, 7])]
    expect(
      difference(
        { softcap: 1.5, attnMask: (_, __, i, j) => values[i * 7 + j]! },
        { scoreModifiers: modifiers },
      ),
    ).toBeLessThan(rounding)
  })

  test('past_key and past_value: concatenate, and queries stand after the past', () => {
    const pastKey = random(9, 2, 2, 3, 6)
    const pastValue = random(10, 2, 2, 3, 3)
    const present = [Q, concatenate(pastKey, K), concatenate(pastValue, V)] as const
    expect(difference({ pastKey, pastValue }, {}, present)).toBeLessThan(rounding)
    const options = { mask: causal, queryOffset: 3 }
    expect(difference({ pastKey, pastValue, isCausal: true }, options, present)).toBeLessThan(
      rounding,
    )
  })

  test('nonpad_kv_seqlen: keyLengths, with the default alignment', () => {
    const nonpadKvSeqlen = [7, 5]
    expect(difference({ nonpadKvSeqlen }, { keyLengths: nonpadKvSeqlen })).toBeLessThan(rounding)
    expect(
      difference({ nonpadKvSeqlen, isCausal: true }, { keyLengths: nonpadKvSeqlen, mask: causal }),
    ).toBeLessThan(rounding)
    // Fewer keys than queries: the first rows see nothing and are 0.
    const options = { keyLengths: [3, 0], mask: causal }
    expect(difference({ nonpadKvSeqlen: [3, 0], isCausal: true }, options)).toBeLessThan(rounding)
  })

  test('qk_matmul_output_mode: S of a call with fewer options, or P', () => {
    const values = randomNumbers(11, 35).map((value) => (value > 0.5 ? -Infinity : value))
    const bias = biasFromTensor(values, [1, 1, 5, 7])
    const attnMask = (_: number, __: number, i: number, j: number): number => values[i * 7 + j]!
    const { modes } = onnxAttention({ Q, K, V, softcap: 2, attnMask })
    const plain = standardAttention(Q, K, V)
    const capped = standardAttention(Q, K, V, { scoreModifiers: [softcap(2)] })
    const whole = standardAttention(Q, K, V, { scoreModifiers: [softcap(2), bias] })
    expect(largestError(plain.scores.storage, modes[0])).toBeLessThan(1e-14)
    expect(largestError(capped.scores.storage, modes[1])).toBeLessThan(1e-14)
    expect(largestError(whole.scores.storage, modes[2])).toBeLessThan(1e-14)
    expect(largestError(whole.probabilities.storage, modes[3])).toBeLessThan(1e-14)
  })

  test('windows, which the operator lacks and GroupQueryAttention has, are masks', () => {
    expect(
      difference(
        { attnMask: (_, __, i, j) => (j <= i && j >= i - 2 ? 0 : -Infinity) },
        { mask: slidingWindow(2, 0), queryOffset: 0 },
      ),
    ).toBeLessThan(rounding)
  })
})
