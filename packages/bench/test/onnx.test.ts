// The ONNX writer, read back field by field with a reader of protobuf's wire format; loading it into
// ONNX Runtime is what `attn peers` does first.
import { describe, expect, test } from 'vitest'
import { toFloat16Array } from '@attn/core'
import { onnxAttention } from '../src/peers/onnx-attention.ts'
import { writeOnnx } from '../src/peers/onnx-writer.ts'
import type { PeerShape } from '../src/peers/peer.ts'
import { swapHeads } from '../src/peers/peer.ts'

interface Field {
  readonly number: number
  readonly value: number | Uint8Array
}

/** The fields of a message in order: integers as numbers, everything else as its bytes. */
function readFields(bytes: Uint8Array): Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = (): number => {
    let [value, scale] = [0, 1]
    for (;;) {
      const byte = bytes[at++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const [number, wire] = [tag >> 3, tag & 7]
    if (wire === 0) {
      fields.push({ number, value: varint() })
      continue
    }
    const length = wire === 5 ? 4 : varint()
    fields.push({ number, value: bytes.slice(at, at + length) })
    at += length
  }
  expect(at).toBe(bytes.length)
  return fields
}

const all = (bytes: Uint8Array, number: number): Uint8Array[] =>
  readFields(bytes)
    .filter((field) => field.number === number)
    .map(({ value }) => value as Uint8Array)
const only = (bytes: Uint8Array, number: number): Uint8Array => {
  const [found, ...more] = all(bytes, number)
  expect(more).toEqual([])
  return found!
}
const number = (bytes: Uint8Array, field: number): unknown =>
  readFields(bytes).find((each) => each.number === field)?.value
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe('writeOnnx', () => {
  const data = Uint8Array.from({ length: 800 }, (_, index) => index % 251)
  const model = writeOnnx({
    inputs: [{ name: 'in', type: 'float32', shape: [2, 300] }],
    outputs: [{ name: 'out', type: 'float16', shape: [1] }],
    constants: [{ name: 'constant', type: 'int64', shape: [100], data }],
    nodes: [
      {
        operator: 'Thing',
        domain: 'somewhere',
        inputs: ['in', '', 'constant'],
        outputs: ['out'],
        attributes: { count: { int: 300 }, part: { float: 0.5 } },
      },
    ],
    operatorSets: { '': 17, somewhere: 1 },
  })
  const graph = only(model, 7)

  test('names version, operator sets, inputs and outputs', () => {
    expect(number(model, 1)).toBe(9)
    const sets = all(model, 8).map((set) => [text(only(set, 1)), number(set, 2)])
    expect(sets).toEqual([
      ['', 17],
      ['somewhere', 1],
    ])
    const input = only(graph, 11)
    expect(text(only(input, 1))).toBe('in')
    const tensorType = only(only(input, 2), 1)
    expect(number(tensorType, 1)).toBe(1)
    expect(all(only(tensorType, 2), 1).map((dim) => number(dim, 1))).toEqual([2, 300])
    expect(number(only(only(only(graph, 12), 2), 1), 1)).toBe(10)
  })

  test('writes nodes with empty inputs and both kinds of attributes', () => {
    const node = only(graph, 1)
    expect(all(node, 1).map(text)).toEqual(['in', '', 'constant'])
    expect(all(node, 2).map(text)).toEqual(['out'])
    expect([text(only(node, 4)), text(only(node, 7))]).toEqual(['Thing', 'somewhere'])
    const [count, part] = all(node, 5)
    expect([text(only(count!, 1)), number(count!, 3), number(count!, 20)]).toEqual([
      'count',
      300,
      2,
    ])
    const bits = only(part!, 2)
    expect(new DataView(bits.buffer).getFloat32(0, true)).toBe(0.5)
    expect(number(part!, 20)).toBe(1)
  })

  test('keeps the bytes of constants', () => {
    const constant = only(graph, 5)
    expect(only(constant, 9)).toEqual(data)
    expect([number(constant, 1), number(constant, 2)]).toEqual([100, 7])
  })
})

describe('onnxAttention', () => {
  const shape: PeerShape = {
    batch: 1,
    heads: 2,
    kvHeads: 2,
    queryLength: 3,
    keyLength: 3,
    headDim: 4,
    dtype: 'float16',
    mask: 'window',
    window: 2,
  }
  const numbers = Float32Array.from({ length: 24 }, (_, index) => index)
  const inputs = { query: numbers, key: numbers, value: numbers }
  const operators = (model: Uint8Array): string[] =>
    all(only(model, 7), 1).map((node) => text(only(node, 4)))

  test('chains as many calls as asked for, with the mask as an operator of its own', () => {
    const masked = operators(onnxAttention(shape, inputs, 9))
    expect(masked.filter((name) => name === 'GroupQueryAttention')).toHaveLength(9)
    const full = operators(onnxAttention({ ...shape, mask: 'full' }, inputs, 1))
    expect(full.filter((name) => name === 'MultiHeadAttention')).toHaveLength(1)
  })

  test('stores inputs as [B, L, H, D] in the dtype of the problem', () => {
    const constants = all(only(onnxAttention(shape, inputs, 1), 7), 5)
    const query = constants.find((constant) => text(only(constant, 8)) === 'query')!
    const expected = toFloat16Array(swapHeads(numbers, 1, 2, 3, 4))
    expect(new Uint16Array(only(query, 9).buffer)).toEqual(expected)
    expect(expected[4]).toBe(toFloat16Array([12])[0])
  })

  test('a query that shares keys sees all but the last of them as the past', () => {
    const cached = { ...shape, batch: 2, kvHeads: 1, queryLength: 1, mask: 'full' as const }
    const model = onnxAttention(cached, { ...inputs, query: numbers.subarray(0, 16) }, 1)
    expect(operators(model)).toContain('GroupQueryAttention')
    const floats = (name: string): Uint16Array => {
      const found = all(only(model, 7), 5).find((constant) => text(only(constant, 8)) === name)!
      return new Uint16Array(only(found, 9).slice().buffer)
    }
    const past = [...numbers.subarray(0, 8), ...numbers.subarray(12, 20)]
    expect(floats('key.past')).toEqual(toFloat16Array(Float32Array.from(past)))
    const last = [...numbers.subarray(8, 12), ...numbers.subarray(20, 24)]
    expect(floats('value')).toEqual(toFloat16Array(Float32Array.from(last)))
    const several = { ...shape, kvHeads: 1, mask: 'full' as const }
    expect(() => onnxAttention(several, inputs, 1)).toThrow('causal in ONNX Runtime')
  })

  test('refuses a mask over unlike lengths', () => {
    const unlike = { ...shape, queryLength: 1 }
    expect(() => onnxAttention(unlike, inputs, 1)).toThrow('needs as many queries as keys')
  })
})

test('swapHeads there and back is nothing', () => {
  const data = Float32Array.from({ length: 2 * 3 * 5 * 4 }, Math.random)
  expect(swapHeads(swapHeads(data, 2, 3, 5, 4), 2, 5, 3, 4)).toEqual(data)
})
