// NaN, infinities, and numbers as large as floats go. A hidden pair contributes nothing whatever its key and
// value hold; what is visible goes through the formula as IEEE arithmetic has it, and is NaN where that is. Only
// some of each tile is spoilt, so that an implementation has to tell pairs apart.
import { biasFromTensor, mask, softcap, tensorFrom, toFloat64Array } from '../../src/index.ts'
import type { AttentionOptions, DType, Tensor } from '../../src/index.ts'
import { conformanceCase } from './cases.ts'
import type { ConformanceCase, InputOptions, Sizes } from './cases.ts'
import { causal, slidingWindow, t5Bias } from './patterns.ts'
import { randomNumbers } from './fill.ts'

/** A tensor with some elements replaced: those of rows `from .. to - 1`, in one dim or in all. */
function spoilt(input: Tensor, bad: number, [from, to]: Rows, dim?: number): Tensor {
  const [, , length, dims] = input.shape as [number, number, number, number]
  const values = toFloat64Array(input)
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / dims) % length
    if (row >= from && row < to && (dim === undefined || i % dims === dim)) values[i] = bad
  }
  return tensorFrom(values, input.shape, input.dtype)
}

type Rows = readonly [from: number, to: number]
type Name = 'query' | 'key' | 'value'

/** Spoils rows of some inputs. */
function spoil(
  names: readonly Name[],
  bad: number,
  rows: Rows,
  dim?: number,
): Required<Pick<InputOptions, 'prepare'>> {
  return {
    prepare: (inputs) => ({
      ...inputs,
      ...Object.fromEntries(names.map((name) => [name, spoilt(inputs[name], bad, rows, dim)])),
    }),
  }
}

const firstTen = mask('firstTen', ({ key }) => key.lt(10))
/** What Hugging Face's additive masks hold where they hide. */
const lowest = -3.4028234663852886e38
const all = [0, Infinity] as const
const late = [10, Infinity] as const

/** Hidden keys and values that are not numbers, each with another way to be hidden. */
function hidden(dtype: DType): ConformanceCase[] {
  const make = (name: string, sizes: Sizes, options: AttentionOptions, given: InputOptions) =>
    conformanceCase(`${dtype}, hidden ${name}`, sizes, options, { ...given, dtype })
  const hides = biasFromTensor(
    Float64Array.from({ length: 33 }, (_, key) => (key < 10 ? 0.5 : -Infinity)),
    [1, 1, 1, 33],
  )
  const both = ['key', 'value'] as const
  const wide = { queryLength: 70, headDim: 64 }
  return [
    make('NaN', {}, { mask: firstTen }, spoil(both, Number.NaN, late)),
    make('Infinity, width 64', wide, { mask: firstTen }, spoil(both, Infinity, late)),
    make('-Infinity', {}, { mask: firstTen }, spoil(both, -Infinity, late)),
    make('NaN of the future', wide, { mask: causal }, spoil(both, Number.NaN, [40, 41])),
    make(
      'NaN outside of windows',
      { queryLength: 70, heads: 4, kvHeads: 2 },
      { mask: slidingWindow(9, 3) },
      spoil(['value'], Number.NaN, [31, 33], 2),
    ),
    make('NaN under a bias', {}, { scoreModifiers: [hides] }, spoil(['value'], Number.NaN, late)),
    make(
      'NaN before the padding',
      { batch: 2, keyLength: 45 },
      { mask: causal, keyLengths: [45, 30], queryOffset: 0 },
      spoil(both, Number.NaN, [29, 30]),
    ),
    make(
      'NaN for few queries',
      { queryLength: 3, keyLength: 129, headDim: 64 },
      { mask: slidingWindow(9, 0) },
      spoil(both, Number.NaN, [100, 119]),
    ),
    make(
      'NaN for one query of grouped heads',
      { queryLength: 1, keyLength: 129, heads: 8, kvHeads: 2, headDim: 128 },
      { mask: slidingWindow(50, 0) },
      spoil(both, Number.NaN, [0, 77]),
    ),
  ]
}

/** Every case of the forward pass. */
export function notFiniteCases(): ConformanceCase[] {
  return [...hidden('float32'), ...hidden('float16'), ...visible(), ...large()]
}

function visible(): ConformanceCase[] {
  const short = { queryLength: 5, keyLength: 40 }
  const bias = (bad: number) =>
    biasFromTensor(
      Float64Array.from({ length: 33 }, (_, key) => (key === 7 ? bad : 0)),
      [1, 1, 1, 33],
    )
  const one = [20, 21] as const
  const half = { dtype: 'float16' } as const
  return [
    conformanceCase('visible NaN in a query', {}, {}, spoil(['query'], Number.NaN, one, 3)),
    conformanceCase('visible Infinity in a query', {}, {}, spoil(['query'], Infinity, one, 3)),
    conformanceCase('visible NaN in a key', {}, { mask: causal }, spoil(['key'], Number.NaN, one)),
    conformanceCase('visible NaN in all keys', {}, {}, spoil(['key'], Number.NaN, all)),
    conformanceCase('visible Infinity in a key', {}, {}, spoil(['key'], Infinity, one, 0)),
    conformanceCase(
      'visible NaN in a value',
      {},
      { mask: causal },
      spoil(['value'], Number.NaN, one, 5),
    ),
    conformanceCase('visible Infinity in a value', {}, {}, spoil(['value'], Infinity, one, 5)),
    conformanceCase(
      'visible NaN in a key, softcap',
      { queryLength: 65 },
      { mask: causal, scoreModifiers: [softcap(2)] },
      spoil(['key'], Number.NaN, one),
    ),
    conformanceCase('visible NaN, few queries', short, {}, spoil(['query'], Number.NaN, [2, 3])),
    conformanceCase('visible Infinity, few queries', short, {}, spoil(['key'], Infinity, one, 1)),
    conformanceCase(
      'visible NaN in a value, few queries',
      short,
      { mask: causal },
      spoil(['value'], Number.NaN, [37, 38]),
    ),
    conformanceCase('visible bias of NaN', {}, { scoreModifiers: [bias(Number.NaN)] }),
    conformanceCase('visible bias of Infinity', {}, { scoreModifiers: [bias(Infinity)] }),
    conformanceCase(
      'visible NaN in one of packed sequences',
      { queryLength: 60 },
      { mask: causal, sequences: { cumulativeQueryLengths: [0, 20, 45, 60] } },
      spoil(['key', 'value'], Number.NaN, [30, 31]),
    ),
    conformanceCase(
      'visible NaN in a value, a sink',
      {},
      { mask: causal, sinks: [0.5, -1] },
      spoil(['value'], Number.NaN, one),
    ),
    conformanceCase(
      'visible NaN in a key, float16',
      { queryLength: 65, headDim: 64 },
      { mask: causal },
      { ...half, ...spoil(['key'], Number.NaN, one) },
    ),
    conformanceCase(
      'visible NaN in a value, float16',
      { queryLength: 65, headDim: 128, heads: 1 },
      { mask: causal },
      { ...half, ...spoil(['value'], Number.NaN, one, 5) },
    ),
    conformanceCase(
      'visible Infinity in a query, float16',
      { queryLength: 65, headDim: 64 },
      {},
      { ...half, ...spoil(['query'], Infinity, one, 3) },
    ),
    ...dropped(),
  ]
}

/** Values that are infinite where dropout drops some of the pairs that see them: 0 times them is NaN. */
function dropped(): ConformanceCase[] {
  const dropout = { rate: 0.5, seed: 9 }
  const make = (name: string, sizes: Sizes, options: AttentionOptions, bad: number) =>
    conformanceCase(
      `visible ${bad} in a value, dropout, float16, ${name}`,
      sizes,
      { ...options, dropout },
      { dtype: 'float16', ...spoil(['value'], bad, [20, 21], 5) },
    )
  const sizes = { batch: 1, heads: 1, queryLength: 17, keyLength: 25, headDim: 16 }
  return [
    make('padding', sizes, {}, Infinity),
    make('softcap', sizes, { scoreModifiers: [softcap(3)] }, -Infinity),
    make('an offset', { ...sizes, keyLength: 40 }, { mask: causal, queryOffset: 15 }, Infinity),
  ]
}

/** Scores that only look hidden, and values whose sum is too large for a float where their mean is not. */
function large(): ConformanceCase[] {
  const additive = (length: number) => {
    const random = randomNumbers(5, length * length)
    const hides = (i: number) => i < 3 * length || random[i]! > 0.3
    return biasFromTensor(
      random.map((_, i) => (hides(i) ? lowest : 0)),
      [1, 1, length, length],
    )
  }
  const huge = (input: Tensor): Tensor =>
    tensorFrom(
      toFloat64Array(input).map((value) => Math.sign(value) * 3.3e38),
      input.shape,
      input.dtype,
    )
  const values: InputOptions = {
    prepare: (inputs) => ({ ...inputs, value: huge(inputs.value) }),
  }
  return [
    conformanceCase('a bias of the lowest float', {}, { scoreModifiers: [additive(33)] }),
    conformanceCase(
      'a bias of the lowest float, few queries',
      { queryLength: 5, keyLength: 5 },
      { scoreModifiers: [additive(5)] },
    ),
    conformanceCase('values near the largest float', {}, {}, values),
    conformanceCase('values near the largest float, few queries', { queryLength: 4 }, {}, values),
    conformanceCase(
      'values near the largest float, one query',
      { queryLength: 1, keyLength: 700 },
      {},
      values,
    ),
  ]
}

/** Every case of the backward pass. */
export function notFiniteGradientCases(): ConformanceCase[] {
  const gradients: ConformanceCase[] = [
    conformanceCase(
      'visible NaN in a query',
      {},
      { mask: causal },
      spoil(['query'], Number.NaN, [20, 21]),
    ),
    conformanceCase(
      'visible NaN in a key',
      {},
      { mask: slidingWindow(5, 0) },
      spoil(['key'], Number.NaN, [20, 21]),
    ),
    conformanceCase(
      'visible NaN in a value',
      { queryLength: 70 },
      { mask: slidingWindow(5, 0) },
      spoil(['value'], Number.NaN, [20, 21], 3),
    ),
    conformanceCase(
      'visible NaN in the gradient of the output',
      { queryLength: 70 },
      { mask: slidingWindow(5, 0) },
      { prepareGradient: (dOutput) => spoilt(dOutput, Number.NaN, [20, 21], 3) },
    ),
    conformanceCase(
      'visible NaN in the gradient of the last output',
      { queryLength: 33 },
      { mask: slidingWindow(5, 0) },
      { prepareGradient: (dOutput) => spoilt(dOutput, Number.NaN, [32, 33], 3) },
    ),
    conformanceCase(
      'visible NaN in the last query, which sees little',
      {},
      { mask: mask('sameHalf', ({ query, key }) => query.floorDiv(16).eq(key.floorDiv(16))) },
      spoil(['query'], Number.NaN, [32, 33]),
    ),
    conformanceCase(
      'visible NaN in one of packed sequences',
      { queryLength: 60 },
      { mask: causal, sequences: { cumulativeQueryLengths: [0, 20, 45, 60] } },
      spoil(['key', 'value'], Number.NaN, [30, 31]),
    ),
    conformanceCase(
      'hidden NaN, a trainable bias',
      { heads: 3 },
      { mask: causal, scoreModifiers: [trainable()] },
      spoil(['key', 'value'], Number.NaN, [32, 33]),
    ),
    conformanceCase(
      'hidden NaN, dropout',
      {},
      { mask: firstTen, dropout: { rate: 0.3, seed: 9 } },
      spoil(['key', 'value'], Number.NaN, late),
    ),
  ]
  return [...hidden('float32'), ...hidden('float16'), ...gradients]
}

function trainable() {
  const options = { numBuckets: 16, maxDistance: 20, bidirectional: false }
  return t5Bias(Float32Array.from(randomNumbers(6, 48)), 3, options).modifier
}
