import { describe, expect, it } from 'vitest'
import {
  booleanTable,
  compileBounds,
  coordinate,
  floatTable,
  integerTable,
  maskFromTensor,
  relation,
  truth,
} from '@attn/core'
import type { StridedInterval } from '@attn/core'

const query = coordinate('query')
const key = coordinate('key')
const head = coordinate('head')

const every = (low: number, high: number, stride = 1): StridedInterval => ({
  low,
  high,
  stride: low === high ? 0 : stride,
})
const only = (value: number): StridedInterval => every(value, value)

describe('bounds of look-ups', () => {
  const steps = integerTable('steps', [5, 1, 4, 1, 9, 2])

  it.each<[string, StridedInterval, StridedInterval]>([
    ['the whole table', every(0, 5), every(1, 9)],
    ['a part', every(1, 3), every(1, 4)],
    ['every other entry', every(1, 5, 2), every(1, 2)],
    ['clamped at both ends', every(-9, 0), only(5)],
    ['clamped past the end', every(5, 99), only(2)],
  ])('%s', (_, box, expected) => {
    expect({ ...compileBounds(steps.at(query))({ query: box }) }).toEqual(expected)
  })

  it.each<[string, StridedInterval, StridedInterval]>([
    ['a part', every(2, 50), every(0, 7)],
    ['every seventh entry', every(1, 57, 7), every(0, 8)],
    ['clamped at both ends', every(-9, 99), every(0, 9)],
    ['one entry', only(61), only(8)],
  ])('of a list that never decreases: %s', (_, box, expected) => {
    const ascending = integerTable(
      'ascending',
      Array.from({ length: 64 }, (_value, index) => Math.floor(index / 7)),
    )
    expect({ ...compileBounds(ascending.at(query))({ query: box }) }).toEqual(expected)
  })

  it('find extremes of any box of a large table', () => {
    const rows = 70
    const columns = 90
    const values = Array.from({ length: 2 * rows * columns }, (_, i) => (i * 7919) % 10007)
    const table = integerTable('table', values, [2, rows, columns])
    const bounds = compileBounds(table.at(head, query, key))
    for (let i = 0; i < 200; i++) {
      const top = (i * 31) % rows
      const left = (i * 17) % columns
      const bottom = Math.min(top + ((i * 13) % 60), rows - 1)
      const right = Math.min(left + ((i * 29) % 80), columns - 1)
      let low = Infinity
      let high = -Infinity
      for (let row = top; row <= bottom; row++) {
        for (let column = left; column <= right; column++) {
          const value = values[((i % 2) * rows + row) * columns + column]!
          low = Math.min(low, value)
          high = Math.max(high, value)
        }
      }
      const box = { head: only(i % 2), query: every(top, bottom), key: every(left, right) }
      expect(bounds(box)).toMatchObject({ low, high })
    }
  })

  it('carry what is not a number through', () => {
    const values = Float32Array.from({ length: 100 }, (_, i) => (i === 57 ? NaN : i))
    const bounds = compileBounds(floatTable('bias', values).at(query))
    expect(bounds({ query: every(0, 99) })).toMatchObject({ low: NaN, high: NaN })
    expect(bounds({ query: every(0, 56) })).toMatchObject({ low: 0, high: 56 })
  })

  it('plan nothing from values that training changes', () => {
    const table = floatTable('bias', new Float32Array(4), [4], { trainable: true })
    expect(compileBounds(table.at(query))({ query: only(0) })).toMatchObject({
      low: -Infinity,
      high: Infinity,
    })
  })

  it('repeat axes of size one', () => {
    const pattern = maskFromTensor([1, 0, 0, 1, 1, 1], [1, 1, 2, 3])
    const bounds = compileBounds(pattern.expression)
    const at = (row: StridedInterval, column: StridedInterval): string =>
      truth(bounds({ batch: every(0, 7), head: every(0, 31), queryIndex: row, key: column }))
    expect(at(only(1), every(0, 2))).toBe('always')
    expect(at(only(0), every(1, 2))).toBe('never')
    expect(at(every(0, 1), every(0, 2))).toBe('sometimes')
  })

  it('know booleans', () => {
    const flags = booleanTable('flags', [true, true, false])
    expect(truth(compileBounds(flags.at(query))({ query: every(0, 1) }))).toBe('always')
    expect(truth(compileBounds(flags.at(query).not())({ query: every(1, 2) }))).toBe('sometimes')
  })
})

describe('bounds of relations', () => {
  const lists = relation('lists', [[2, 3, 4, 5], [4, 6, 8], [], [7]])
  const bounds = compileBounds(lists.contains(query, key))

  it.each<[string, StridedInterval, StridedInterval, 'always' | 'never' | 'sometimes']>([
    ['a run of members', only(0), every(2, 5), 'always'],
    ['one beyond', only(0), every(2, 6), 'sometimes'],
    ['none', only(0), every(6, 99), 'never'],
    ['a class of members', only(1), every(4, 8, 2), 'always'],
    ['between members', only(1), every(5, 7, 2), 'never'],
    ['an empty row', only(2), every(-9, 99), 'never'],
    ['several rows', every(0, 1), only(4), 'always'],
    ['rows that differ', every(0, 2), only(4), 'sometimes'],
    ['rows by a stride', every(0, 2, 2), only(6), 'never'],
    ['rows before the first', every(-5, 0), only(2), 'always'],
    ['rows past the last', every(3, 50), only(7), 'always'],
    ['members without end', only(3), every(-Infinity, Infinity), 'sometimes'],
    ['members from one on', only(3), every(8, Infinity), 'never'],
  ])('%s', (_, row, member, expected) => {
    expect(truth(bounds({ query: row, key: member }))).toBe(expected)
  })
})
