import { describe, expect, it } from 'vitest'
import {
  booleanTable,
  coordinate,
  floatParameter,
  floatTable,
  integerParameter,
  integerTable,
  relation,
} from '@attn/core'
import { dataLayout, packData } from '../../src/codegen/data-layout.ts'

const key = coordinate('key')
const head = new Uint32Array([7, 8, 9])

const floatsOf = (words: Uint32Array): number[] => [...new Float32Array(words.slice().buffer)]
const integersOf = (words: Uint32Array): number[] => [...new Int32Array(words.slice().buffer)]

describe('packData', () => {
  it('puts the head first, then every table where its descriptor says', () => {
    const floats = floatTable('floats', [0.5, -2, Infinity, -Infinity], [2, 2])
    const integers = integerTable('integers', [-1, 2 ** 31 - 1])
    const layout = dataLayout([floats.at(key, key).node, integers.at(key).toFloat().node])
    const { words, descriptors } = packData(layout, head)
    expect(layout.descriptorWords).toBe(5)
    expect([...descriptors]).toEqual([3, 2, 2, 7, 2])
    expect([...words.subarray(0, 3)]).toEqual([7, 8, 9])
    expect(floatsOf(words.subarray(3, 7))).toEqual([0.5, -2, Infinity, -Infinity])
    expect(integersOf(words.subarray(7))).toEqual([-1, 2 ** 31 - 1])
  })

  it('packs booleans as bits, the first lowest', () => {
    const values = Array.from({ length: 40 }, (_, i) => i % 3 === 0)
    const layout = dataLayout([booleanTable('bits', values).at(key).node])
    const { words, descriptors } = packData(layout, head)
    expect([...descriptors]).toEqual([3, 40])
    expect(words).toHaveLength(3 + 2)
    values.forEach((value, i) => {
      expect(((words[3 + (i >> 5)]! >>> (i & 31)) & 1) === 1).toBe(value)
    })
  })

  it('packs relations as row count, offsets and members', () => {
    const layout = dataLayout([relation('near', [[1, 5], [], [-4]]).contains(key, key).node])
    const { words, descriptors } = packData(layout, head)
    expect([...descriptors]).toEqual([3])
    expect(integersOf(words.subarray(3))).toEqual([3, 0, 2, 2, 3, 1, 5, -4])
  })

  it('reads the values of float tables anew', () => {
    const values = new Float32Array([1, 2])
    const layout = dataLayout([floatTable('trained', values).at(key).node])
    values[1] = 3
    expect(floatsOf(packData(layout, head).words.subarray(3))).toEqual([1, 3])
  })
})

describe('dataLayout', () => {
  it('lists what several expressions share once', () => {
    const shared = floatTable('shared', [1, 2])
    const width = integerParameter('width', { minimum: 0, maximum: 9 })
    const nodes = [shared.at(key).node, shared.at(key.add(width)).node, key.lt(width).node]
    const layout = dataLayout(nodes)
    expect(layout.tables).toEqual([shared.table])
    expect(layout.parameters.map(({ name }) => name)).toEqual(['width'])
    expect(layout.descriptorWords).toBe(2)
  })

  it('takes one parameter for another of the same name, if the types agree', () => {
    const range = { minimum: 0, maximum: 9 }
    const one = integerParameter('width', range)
    const other = integerParameter('width', range)
    expect(dataLayout([key.lt(one).node, key.gt(other).node]).parameters).toHaveLength(1)
    const float = floatParameter('width', range)
    expect(() => dataLayout([key.lt(one).node, key.toFloat().lt(float).node])).toThrow(
      new TypeError('flash.plan: parameter width is used as integer and as float'),
    )
  })
})
