import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createBlockMap, mask, resolveOptions } from '../../src/index.ts'
import { packedOffsets } from '../attention/packed-calls.ts'
import { causal, prefixLm, slidingWindow, strided } from '../conformance/patterns.ts'

const fixed = mask('fixed', ({ query, key }) =>
  key.le(query).and(key.floorDiv(4).eq(query.floorDiv(4)).or(key.mod(4).eq(3))),
)

test('what follows the diagonals of packed sequences is what a look at every tile finds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(70), fc.nat(70)), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      fc.constantFrom(causal, slidingWindow(5, 2), strided(3), prefixLm(4), fixed),
      fc.record({
        queryBlockSize: fc.integer({ min: 1, max: 6 }),
        keyBlockSize: fc.integer({ min: 1, max: 6 }),
      }),
      (lengths, same, pattern, sizes) => {
        const cumulativeQueryLengths = packedOffsets([...lengths.map(([queries]) => queries), 1])
        const cumulativeKeyLengths = same
          ? cumulativeQueryLengths
          : packedOffsets([...lengths.map(([, keys]) => keys), 1])
        const sequences = { cumulativeQueryLengths, cumulativeKeyLengths }
        const [queryLength, keyLength] = [
          cumulativeQueryLengths.at(-1)!,
          cumulativeKeyLengths.at(-1)!,
        ]
        const shape = { batch: 1, heads: 1, queryLength, keyLength }
        const whole = { ...shape, kvHeads: 1, headDim: 1, valueDim: 1 }
        const resolved = resolveOptions('test', whole, { mask: pattern, sequences })
        const { queryOffsets: queryOffset } = resolved
        expect(createBlockMap(pattern, { ...shape, sequences }, sizes)).toEqual(
          createBlockMap(resolved.mask, { ...shape, queryOffset }, sizes),
        )
      },
    ),
    { numRuns: 200 },
  )
})
