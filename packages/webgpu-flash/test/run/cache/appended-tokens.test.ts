import { describe, expect, test } from 'vitest'
import { appendedOffsets, logAppends } from '../../../src/run/cache/appended-tokens.ts'

const offsets = (queryLength: number, log: ReturnType<typeof logAppends>): unknown =>
  appendedOffsets(
    'plan.forward',
    { batch: 2, heads: 1, kvHeads: 1, queryLength, keyLength: 99, headDim: 1, valueDim: 1 },
    log.appended,
  )

const append = (
  log: ReturnType<typeof logAppends>,
  rows: number,
  counts: readonly number[],
  starts: readonly number[],
  leftPadded = false,
): void => log.append({ rows, counts, starts, leftPadded })

describe('where queries over a cache stand', () => {
  test('rows of an append with padding stand where its tokens do', () => {
    const log = logAppends(2)
    append(log, 4, [2, 4], [0, 0])
    expect(offsets(4, log)).toEqual([0, 0])
    append(log, 3, [3, 1], [2, 4])
    expect(offsets(3, log)).toEqual([2, 4])
  })

  test('one query is the last token of its sequence', () => {
    const log = logAppends(2)
    expect(offsets(1, log)).toBeUndefined()
    append(log, 4, [2, 4], [0, 0])
    expect(offsets(1, log)).toBeUndefined()
  })

  test('as many queries as were appended without padding are the last tokens', () => {
    const log = logAppends(2)
    append(log, 4, [4, 4], [0, 0])
    append(log, 4, [4, 4], [4, 4])
    for (const rows of [1, 4, 8]) expect(offsets(rows, log)).toBeUndefined()
    expect(() => offsets(9, log)).toThrow(/4 rows.* where 9 queries stand; give queryOffset/)
  })

  test('no other number is guessed after padding', () => {
    const log = logAppends(2)
    append(log, 4, [2, 4], [0, 0])
    append(log, 1, [1, 1], [2, 4])
    expect(offsets(1, log)).toBeUndefined()
    expect(() => offsets(5, log)).toThrow(RangeError)
  })

  test('tokens cut off are no longer the last', () => {
    const log = logAppends(2)
    append(log, 6, [6, 6], [0, 0])
    log.remove([2, 2])
    expect(offsets(4, log)).toBeUndefined()
    expect(() => offsets(5, log)).toThrow(RangeError)
    log.remove([0, 3])
    expect(() => offsets(4, log)).toThrow(RangeError)
    expect(() => offsets(6, log)).toThrow(RangeError)
    append(log, 2, [2, 2], [4, 1])
    expect(offsets(2, log)).toBeUndefined()
  })

  test('padding on the left comes before the last tokens', () => {
    const log = logAppends(2)
    append(log, 4, [2, 4], [5, 0], true)
    expect(log.appended.starts).toEqual([3, 0])
    for (const rows of [1, 2, 4]) expect(offsets(rows, log)).toBeUndefined()
    expect(() => offsets(5, log)).toThrow(RangeError)
    append(log, 1, [1, 1], [7, 4])
    expect(offsets(5, log)).toBeUndefined()
  })

  test('the depths of a tree are those of the last append, until tokens of it are gone', () => {
    const log = logAppends(1)
    log.append({ rows: 3, counts: [3], starts: [0], leftPadded: false, depths: [0, 1, 1] })
    expect(log.appended.depths).toEqual([0, 1, 1])
    log.remove([1])
    expect(log.appended.depths).toBeUndefined()
  })
})
