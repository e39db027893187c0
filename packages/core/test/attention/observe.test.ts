// The running softmax that `flashAttention` shows after every tile, against standard attention over the
// keys so far.
import { describe, expect, test } from 'vitest'
import {
  flashAttention,
  mask,
  slice,
  standardAttention,
  tensor,
  toFloat64Array,
} from '../../src/index.ts'
import type { LoopOrder, SoftmaxStep, Tensor } from '../../src/index.ts'

const [length, dim, queryBlockSize, keyBlockSize] = [11, 3, 4, 3]
const filled = (seed: number): Tensor =>
  tensor(
    Float64Array.from(
      { length: 2 * length * dim },
      (_, i) => 2 * Math.sin(12.9898 * (i + 1) * seed),
    ),
    [1, 2, length, dim],
  )
const [query, key, value] = [filled(1), filled(2), filled(3)] as const
const window = mask('window', ({ query, key }) => key.le(query).and(key.gt(query.sub(6))))

describe.each<LoopOrder>(['queries-outside', 'keys-outside'])('%s', (loopOrder) => {
  const steps: SoftmaxStep[] = []
  const options = { mask: window, queryBlockSize, keyBlockSize, loopOrder }
  const plain = flashAttention(query, key, value, options)
  const observed = flashAttention(query, key, value, {
    ...options,
    observe: (step) => steps.push(step),
  })

  test('sees every tile once and changes nothing', () => {
    const tiles = steps.map(({ head, queryBlock, keyBlock }) => `${head} ${queryBlock} ${keyBlock}`)
    expect(new Set(tiles).size).toBe(2 * 3 * 4)
    expect(tiles.length).toBe(2 * 3 * 4)
    expect(observed.output.storage).toEqual(plain.output.storage)
  })

  test('holds the softmax of the keys so far', () => {
    for (const { head, queryBlock, keyBlock, maximum, sum, weighted } of steps) {
      const first = queryBlock * queryBlockSize
      const rows = Math.min(queryBlockSize, length - first)
      const keys = Math.min(length, (keyBlock + 1) * keyBlockSize)
      expect([maximum.length, sum.length, weighted.length]).toEqual([rows, rows, rows * dim])
      const soFar = standardAttention(
        slice(slice(query, 1, head, head + 1), 2, first, first + rows),
        slice(slice(key, 1, head, head + 1), 2, 0, keys),
        slice(slice(value, 1, head, head + 1), 2, 0, keys),
        { mask: window, queryOffset: first },
      )
      const logSumExp = toFloat64Array(soFar.logSumExp)
      const output = toFloat64Array(soFar.output)
      for (let row = 0; row < rows; row++) {
        const own = sum[row] === 0 ? -Infinity : maximum[row]! + Math.log(sum[row]!)
        // Rows that have seen nothing are -Infinity in both, at no distance from one another.
        const distance = own === logSumExp[row] ? 0 : Math.abs(own - logSumExp[row]!)
        expect(distance).toBeLessThan(1e-10)
        for (let d = 0; d < dim && sum[row]! > 0; d++) {
          expect(weighted[row * dim + d]! / sum[row]!).toBeCloseTo(output[row * dim + d]!, 10)
        }
      }
    }
  })
})
