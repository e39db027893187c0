// What the public boundary refuses, on every function of the CPU alike: options that are not known, tables of
// another call's sizes, tensors whose parts contradict one another, numbers beyond 32 bits.
import { describe, expect, test } from 'vitest'
import {
  biasFromTensor,
  checkOptions,
  createBlockMap,
  flashAttention,
  flashAttentionBackward,
  floatTable,
  integerParameter,
  isWritable,
  mask,
  maskFromTensor,
  memoryTraffic,
  relation,
  scoreModifier,
  standardAttention,
  standardAttentionBackward,
  tensor,
  tensorFrom,
  zeros,
} from '@attn/core'
import type { AttentionOptions, Tensor } from '@attn/core'
import { causal } from '../conformance/patterns.ts'

type Call = (query: Tensor, key: Tensor, value: Tensor, options?: AttentionOptions) => unknown

const backwardOf =
  (backward: typeof standardAttentionBackward | typeof flashAttentionBackward): Call =>
  (query, key, value, options) => {
    const x = zeros([2, 4, 6, 4])
    return backward(query, key, value, standardAttention(x, x, x), x, options)
  }

const calls: readonly (readonly [string, Call])[] = [
  ['standardAttention', standardAttention],
  ['flashAttention', flashAttention],
  ['standardAttentionBackward', backwardOf(standardAttentionBackward)],
  ['flashAttentionBackward', backwardOf(flashAttentionBackward)],
]
const x = zeros([2, 4, 6, 4])
const ones = (count: number): Uint8Array => new Uint8Array(count).fill(1)

describe.each(calls)('%s', (name, call) => {
  const given =
    (options: unknown): (() => unknown) =>
    () =>
      call(x, x, x, options as AttentionOptions)

  test('refuses options that it does not know, with the nearest thing', () => {
    expect(given({ causal: true })).toThrow(
      new TypeError(`${name}: there is no option causal; write mask: causal() of @attn/masks`),
    )
    const nearest = {
      isCausal: 'write mask: causal() of @attn/masks',
      is_causal: 'write mask: causal() of @attn/masks',
      attn_mask: 'write mask: maskFromTensor(values, shape)',
      windowSize: 'write mask: slidingWindow(left, right) of @attn/masks',
      dropout_p: 'write dropout: { rate, seed }',
      softmax_scale: 'write scale',
      scoreModifier: 'did you mean scoreModifiers?',
      keylengths: 'did you mean keyLengths?',
      Mask: 'did you mean mask?',
      somethingElse: 'there are scale, mask, scoreModifiers',
    }
    for (const [option, message] of Object.entries(nearest)) {
      expect(given({ [option]: 1 })).toThrow(TypeError)
      expect(given({ [option]: 1 })).toThrow(`${name}: there is no option ${option}; ${message}`)
    }
    expect(given({ dropout: { p: 0.5, seed: 1 } })).toThrow(
      `${name}: dropout: there is no option p; write rate`,
    )
    expect(given({ mask: causal, causal: undefined })).not.toThrow()
  })

  test('refuses null and other things in the place of options', () => {
    expect(given(null)).toThrow(`${name}: options must be an object, got null`)
    expect(given('causal')).toThrow(`${name}: options must be an object, got string`)
    expect(given([causal])).toThrow(`${name}: options must be an object, got an array`)
    for (const option of ['mask', 'dropout', 'sequences', 'sinks', 'keyLengths', 'queryOffset']) {
      expect(given({ [option]: null })).toThrow(new RegExp(`^${name}: ${option}.* null`))
    }
    expect(given({ scoreModifiers: [null] })).toThrow(TypeError)
  })

  test('refuses tables of other sizes than the call, with both shapes', () => {
    const tables: readonly (readonly [readonly [number, number, number, number], string])[] = [
      [[1, 1, 1, 5], '[1, 1, 1, 5]'],
      [[1, 1, 4, 6], '[1, 1, 4, 6]'],
      [[1, 3, 1, 1], '[1, 3, 1, 1]'],
      [[5, 1, 1, 6], '[5, 1, 1, 6]'],
      [[1, 8, 1, 1], '[1, 8, 1, 1]'],
      [[1, 1, 7, 7], '[1, 1, 7, 7]'],
    ]
    for (const [shape, text] of tables) {
      const values = ones(shape.reduce((product, size) => product * size, 1))
      const message = (table: string): string =>
        `${table} has shape ${text}, but the call [batch, heads, queries, keys] = [2, 4, 6, 6]; an axis must be 1 or the same`
      expect(given({ mask: maskFromTensor(values, shape) })).toThrow(RangeError)
      expect(given({ mask: maskFromTensor(values, shape) })).toThrow(message('tensorMask'))
      const biased = { scoreModifiers: [biasFromTensor(values, shape)] }
      expect(given(biased)).toThrow(message('tensorBias'))
    }
    for (const shape of [[1, 1, 1, 6] as const, [2, 4, 6, 6] as const, [1, 1, 1, 1] as const]) {
      const values = ones(shape.reduce<number>((product, size) => product * size, 1))
      expect(given({ mask: maskFromTensor(values, shape) })).not.toThrow()
    }
  })

  test.each(['batch', 'head', 'query', 'queryIndex', 'key'] as const)(
    'refuses tables without an entry for every %s',
    (coordinate) => {
      const sizes = { batch: 2, head: 4, query: 6, queryIndex: 6, key: 6 }
      const reading = (count: number) => {
        const table = floatTable('numbers', new Float32Array(count))
        return scoreModifier('reading', (score, at) => score.add(table.at(at[coordinate])))
      }
      const size = sizes[coordinate]
      expect(given({ scoreModifiers: [reading(size)] })).not.toThrow()
      expect(given({ scoreModifiers: [reading(size - 1)] })).toThrow(
        `numbers has shape [${size - 1}], and is looked up by ${coordinate} 0..${size - 1} on axis 0 in a call of [batch, heads, queries, keys] = [2, 4, 6, 6]`,
      )
      const bounded = scoreModifier('bounded', (score, at) =>
        score.add(floatTable('numbers', [1]).at(at[coordinate].max(0).min(0))),
      )
      expect(given({ scoreModifiers: [bounded] })).not.toThrow()
      const rows = relation(
        'rows',
        Array.from({ length: size - 1 }, () => [0]),
      )
      const listed = mask('listed', (at) => rows.contains(at[coordinate], at.key))
      expect(given({ mask: listed })).toThrow(`rows has shape [${size - 1}]`)
    },
  )

  test('refuses positions that leave 32 bits', () => {
    expect(given({ mask: causal, queryOffset: 2 ** 31 - 1 })).toThrow(
      new RangeError(
        `${name}: queries must stand at positions below 2^31, got queryOffset=2147483647 with 6 queries`,
      ),
    )
    expect(given({ mask: causal, queryOffset: 2 ** 31 - 6 })).not.toThrow()
  })

  const withQuery = (query: unknown) => (): unknown => call(query as Tensor, x, x)
  const gone = tensorFrom(x.storage, x.shape)
  structuredClone(gone.storage.buffer, { transfer: [gone.storage.buffer] })

  test.each<[string, unknown, string]>([
    ['null', null, 'must be a tensor'],
    ['undefined', undefined, 'must be a tensor'],
    ['an array', [1, 2], 'must be a tensor'],
    ['of an unknown dtype', { ...x, dtype: 'float8' }, 'bfloat16 or float64, got float8'],
    [
      'with storage of another type',
      { ...x, storage: Float64Array.from(x.storage) },
      'is float32, so its storage must be a Float32Array, got a Float64Array',
    ],
    [
      'with too little storage',
      { ...x, storage: x.storage.slice(0, 5) },
      'spans elements 0 to 191, but its storage holds 5',
    ],
    ['with a detached buffer', gone, 'its storage holds 0 (was its buffer transferred?)'],
    ['that begins past its storage', { ...x, offset: 1000 }, 'spans elements 1000 to 1191'],
    ['that begins before it', { ...x, offset: -1 }, 'spans elements -1 to 190'],
    ['without whole strides', { ...x, strides: [96, 24, 0.5, 1] }, 'one whole stride'],
    ['with strides for other axes', { ...x, strides: [24, 4, 1] }, 'one whole stride'],
    ['of a shape that is none', { ...x, shape: '2446' }, 'lists of numbers'],
  ])('refuses a tensor: %s', (_, query, message) => {
    expect(withQuery(query)).toThrow(new RegExp(`^${name}: query `))
    expect(withQuery(query)).toThrow(message)
  })
})

describe('a mask of a cache', () => {
  test('may be for the keys that count', () => {
    const keyLengths = [4, 3]
    const options = { keyLengths, mask: maskFromTensor(ones(4), [1, 1, 1, 4]) }
    expect(() => flashAttention(x, x, x, options)).not.toThrow()
    const short = { keyLengths, mask: maskFromTensor(ones(3), [1, 1, 1, 3]) }
    expect(() => flashAttention(x, x, x, short)).toThrow(RangeError)
  })

  test('may be padded where sequences are packed', () => {
    const packed = zeros([1, 4, 6, 4])
    const sequences = { cumulativeQueryLengths: [0, 2, 6] }
    const run = (shape: readonly [number, number, number, number]) => () => {
      const values = ones(shape.reduce((product, size) => product * size, 1))
      return flashAttention(packed, packed, packed, {
        sequences,
        mask: maskFromTensor(values, shape),
      })
    }
    expect(run([2, 1, 4, 4])).not.toThrow()
    expect(run([2, 1, 6, 6])).not.toThrow()
    expect(run([2, 1, 3, 4])).toThrow('[batch, heads, queries, keys] = [2, 4, 4, 4]')
    expect(run([3, 1, 4, 4])).toThrow(RangeError)
  })
})

describe('backward passes', () => {
  test.each([
    ['standardAttentionBackward', standardAttentionBackward],
    ['flashAttentionBackward', flashAttentionBackward],
  ] as const)('%s takes query, key, value, forward, dOutput, options', (name, backward) => {
    const message = `${name}: forward must be what the forward pass returned, { output, logSumExp }; the arguments are (query, key, value, forward, dOutput, options)`
    expect(() => backward(x, x, x, x as never, x)).toThrow(new TypeError(message))
    expect(() => backward(x, x, x, undefined as never, x)).toThrow(new TypeError(message))
    const forward = standardAttention(x, x, x)
    const { output, logSumExp } = flashAttention(x, x, x)
    const { dKey } = backward(x, x, x, forward, x)
    expect(backward(x, x, x, { output, logSumExp }, x).dKey).toEqual(dKey)
  })
})

describe('other functions that take options', () => {
  test.each<[string, () => unknown]>([
    ['floatTable', () => floatTable('a', [1], [1], { trained: true } as never)],
    ['integerParameter', () => integerParameter('a', { min: 1 } as never)],
    ['tensor', () => tensor(new Float32Array(4), [2, 2], { stride: [2, 1] } as never)],
    ['createBlockMap', () => createBlockMap(causal, { keyLenghts: [1] } as never, {} as never)],
    ['memoryTraffic', () => memoryTraffic({ algoritm: 'flash' } as never)],
  ])('%s refuses those that it does not know', (name, call) => {
    expect(call).toThrow(TypeError)
    expect(call).toThrow(new RegExp(`^${name}: there is no option`))
  })

  test('names of the prototype are not known either', () => {
    const check = (options: object) => () => checkOptions('f', options, { size: true })
    expect(check({ constructor: 1 })).toThrow('there is no option constructor')
    expect(check({ toString: 1 })).toThrow('there is no option toString')
  })
})

test('isWritable knows views whose elements share places', () => {
  expect(isWritable({ shape: [2, 3], strides: [3, 1] })).toBe(true)
  expect(isWritable({ shape: [2, 3], strides: [-3, 1] })).toBe(true)
  expect(isWritable({ shape: [2, 3], strides: [1, 2] })).toBe(true)
  expect(isWritable({ shape: [2, 3], strides: [2, 1] })).toBe(false)
  expect(isWritable({ shape: [1, 3], strides: [0, 1] })).toBe(true)
  expect(isWritable({ shape: [2, 3], strides: [0, 1] })).toBe(false)
})
