// 64-bit integers, as ONNX keeps them, wherever whole numbers are taken: the same as numbers.
import { expect, test } from 'vitest'
import {
  booleanTable,
  coordinate,
  createBlockMap,
  evaluate,
  flashAttention,
  integerTable,
  mask,
  maskFromTensor,
  numbersOf,
  relation,
  sequencePositions,
  tensorFrom,
} from '../src/index.ts'

const x = tensorFrom(
  Array.from({ length: 2 * 4 * 2 }, (_, index) => Math.sin(index)),
  [2, 1, 4, 2],
)
const outputOf = (options: object): number[] =>
  Array.from(flashAttention(x, x, x, options).output.storage)

test('a list of numbers is itself, of 64-bit integers their numbers', () => {
  const numbers = [1, 2]
  expect(numbersOf(numbers)).toBe(numbers)
  expect(Array.from(numbersOf(BigInt64Array.of(-1n, 7n)))).toEqual([-1, 7])
  expect(Array.from(numbersOf([3n]))).toEqual([3])
  expect(numbersOf(new BigInt64Array(0)).length).toBe(0)
})

test.each([
  { keyLengths: [2, 4] },
  {
    keyLengths: [2, 3],
    queryOffset: [1, 0],
    mask: mask('causal', ({ query, key }) => key.le(query)),
  },
])('lengths and offsets of calls', (options) => {
  const long = Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name,
      Array.isArray(value) ? BigInt64Array.from(value, BigInt) : value,
    ]),
  )
  expect(outputOf(long)).toEqual(outputOf(options))
  expect(() => outputOf({ keyLengths: BigInt64Array.of(2n, 5n) })).toThrow(
    'flashAttention: keyLengths must lie in 0..4, got 5',
  )
  expect(() => outputOf({ keyLengths: BigInt64Array.of(2n, 2n ** 40n) })).toThrow(RangeError)
})

test('packed sequences', () => {
  const packed = tensorFrom(x.storage, [1, 1, 8, 2])
  const run = (cumulativeQueryLengths: number[] | BigInt64Array): number[] =>
    Array.from(
      flashAttention(packed, packed, packed, { sequences: { cumulativeQueryLengths } }).output
        .storage,
    )
  expect(run(BigInt64Array.of(0n, 3n, 8n))).toEqual(run([0, 3, 8]))
  expect(Array.from(sequencePositions(BigInt64Array.of(0n, 2n, 3n)))).toEqual([0, 1, 0])
})

test('tables, relations and masks of other frameworks', () => {
  const key = coordinate('key')
  expect(evaluate(integerTable('ids', BigInt64Array.of(4n, 5n)).at(key), { key: 1 })).toBe(5)
  expect(evaluate(booleanTable('on', BigInt64Array.of(1n, 0n)).at(key), { key: 1 })).toBe(0)
  const near = relation('near', [BigInt64Array.of(9n, 2n, 9n)])
  expect(evaluate(near.contains(0, key), { key: 9 })).toBe(1)
  expect(() => integerTable('ids', [2n ** 31n])).toThrow('integerTable: need 32-bit integers')
  const attentionMask = BigInt64Array.of(1n, 1n, 1n, 0n, 1n, 1n, 0n, 0n)
  const shown = maskFromTensor(attentionMask, [2, 1, 1, 4])
  expect(outputOf({ mask: shown })).toEqual(outputOf({ keyLengths: [3, 2], queryOffset: 0 }))
  const shape = {
    batch: 1,
    heads: 1,
    queryLength: 4,
    keyLength: 4,
    keyLengths: BigInt64Array.of(2n),
  }
  expect(createBlockMap(undefined, shape, { queryBlockSize: 2, keyBlockSize: 2 })).toEqual(
    createBlockMap(
      undefined,
      { ...shape, keyLengths: [2] },
      { queryBlockSize: 2, keyBlockSize: 2 },
    ),
  )
})
