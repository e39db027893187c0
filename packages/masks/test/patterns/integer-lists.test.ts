// Patterns that are given lists take 64-bit integers, as ONNX keeps them.
import { evaluate } from '@attn/core'
import type { IntegerList } from '@attn/core'
import { expect, test } from 'vitest'
import {
  sameDocument,
  globalTokens,
  maskFromMatrix,
  prefixLm,
  sharedPrefix,
  tree,
} from '../../src/index.ts'
import type { Pattern } from '../../src/index.ts'

const patterns: Record<
  string,
  { of: (list: IntegerList) => Pattern; list: number[]; wrong: bigint }
> = {
  documentLengths: { of: (lengths) => sameDocument({ lengths }), list: [2, 3, 1], wrong: -1n },
  documentIds: { of: (ids) => sameDocument({ ids }), list: [0, 1, 0, 1, -1, 2], wrong: 2n ** 31n },
  globalTokens: { of: (tokens) => globalTokens(tokens), list: [0, 4], wrong: -1n },
  globalSet: { of: (tokens) => globalTokens(tokens), list: [0, 2, 4, 6, 8, 10], wrong: -1n },
  prefixLm: { of: (lengths) => prefixLm(lengths), list: [3], wrong: -1n },
  sharedPrefix: {
    of: (lengths) => sharedPrefix({ prefixLength: 2, lengths }),
    list: [2, 2],
    wrong: -1n,
  },
  tree: { of: (parents) => tree(parents), list: [-1, 0, 0, 1, 2, 2], wrong: 7n },
}

const seen = ({ expression }: Pattern): number[] =>
  Array.from({ length: 36 }, (_, pair) =>
    evaluate(expression, { batch: 0, query: Math.floor(pair / 6), key: pair % 6 }),
  )

test.each(Object.entries(patterns))('%s', (_, { of, list, wrong }) => {
  expect(seen(of(BigInt64Array.from(list, BigInt)))).toEqual(seen(of(list)))
  expect(() => of(BigInt64Array.of(wrong))).toThrow(RangeError)
})

test('a list for each sequence, a matrix', () => {
  const ids = [BigInt64Array.of(0n, 0n, 1n), BigInt64Array.of(0n, 1n, 1n)]
  const { expression } = sameDocument({ ids })
  expect(evaluate(expression, { batch: 1, query: 0, key: 1 })).toBe(0)
  expect(evaluate(expression, { batch: 0, query: 0, key: 1 })).toBe(1)
  const matrix = maskFromMatrix([BigInt64Array.of(1n, 0n), BigInt64Array.of(1n, 1n)])
  expect(evaluate(matrix.expression, { query: 0, key: 1 })).toBe(0)
})
