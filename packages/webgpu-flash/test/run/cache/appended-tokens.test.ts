import { describe, expect, test } from 'vitest'
import { appendedOffsets, logAppends } from '../../../src/run/cache/appended-tokens.ts'

const offsets = (queryLength: number, log: ReturnType<typeof logAppends>): unknown =>
  appendedOffsets(
    'plan.forward',
    { batch: 2, heads: 1, kvHeads: 1, queryLength, keyLength: 99, headDim: 1, valueDim: 1 },
    log.appended,
  )

describe('where queries over a cache stand', () => {
  test('rows of an append with padding stand where its tokens do', () => {
    const log = logAppends(2)
    log.append(4, [2, 4], [0, 0])
    expect(offsets(4, log)).toEqual([0, 0])
    log.append(3, [3, 1], [2, 4])
    expect(offsets(3, log)).toEqual([2, 4])
  })

  test('one query is the last token of its sequence', () => {
    const log = logAppends(2)
    expect(offsets(1, log)).toBeUndefined()
    log.append(4, [2, 4], [0, 0])
    expect(offsets(1, log)).toBeUndefined()
  })

  test('as many queries as were appended without padding are the last tokens', () => {
    const log = logAppends(2)
    log.append(4, [4, 4], [0, 0])
    log.append(4, [4, 4], [4, 4])
    for (const rows of [1, 4, 8]) expect(offsets(rows, log)).toBeUndefined()
    expect(() => offsets(9, log)).toThrow(/4 rows.* where 9 queries stand; give queryOffset/)
  })

  test('no other number is guessed after padding', () => {
    const log = logAppends(2)
    log.append(4, [2, 4], [0, 0])
    log.append(1, [1, 1], [2, 4])
    expect(offsets(1, log)).toBeUndefined()
    expect(() => offsets(5, log)).toThrow(RangeError)
  })

  test('tokens cut off are no longer the last', () => {
    const log = logAppends(2)
    log.append(6, [6, 6], [0, 0])
    log.remove([2, 2])
    expect(offsets(4, log)).toBeUndefined()
    expect(() => offsets(5, log)).toThrow(RangeError)
    log.remove([0, 3])
    expect(() => offsets(4, log)).toThrow(RangeError)
    expect(() => offsets(6, log)).toThrow(RangeError)
    log.append(2, [2, 2], [4, 1])
    expect(offsets(2, log)).toBeUndefined()
  })
})
