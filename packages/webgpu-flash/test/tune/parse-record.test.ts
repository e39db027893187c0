import { describe, expect, it } from 'vitest'
import { checkRecord } from '../../src/tune/parse-record.ts'
import { lengthBucket } from '../../src/tune/record.ts'
import { record } from './a-record.ts'

/** The record as it would arrive, with one value replaced. */
function changed(path: string, value: unknown): unknown {
  const copy = JSON.parse(JSON.stringify(record)) as Record<string, unknown>
  const keys = path.split('.')
  const last = keys.pop()!
  const parent = keys.reduce<Record<string, unknown>>(
    (object, key) => object[key] as Record<string, unknown>,
    copy,
  )
  parent[last] = value
  return copy
}

describe('checkRecord', () => {
  it('takes what JSON makes of a record', () => {
    const read: unknown = JSON.parse(JSON.stringify(record))
    expect(checkRecord('test', read, 'record')).toEqual(record)
    const open = changed('entries.0.queryLengths', { from: 4097 })
    expect(checkRecord('test', open, 'record')).toBe(open)
    const matrix = changed('entries.0.forward.best', 'subgroup-matrix')
    expect(checkRecord('test', matrix, 'record')).toBe(matrix)
    const best = { subgroups: 4, ownRows: 32, keys: 16 }
    const sizes = changed('entries.0.forward.best', best)
    expect(checkRecord('test', sizes, 'record')).toBe(sizes)
    const wrong = changed('entries.0.forward.best', { ...best, keys: '16' })
    expect(() => checkRecord('test', wrong, 'record')).toThrow(
      'record.entries[0].forward.best.keys must be a positive integer, got "16"',
    )
  })

  it.each([
    ['schema', 'attn-tuning/0', 'record.schema must be attn-tuning/1, got "attn-tuning/0"'],
    ['created', 5, 'record.created must be a string, got 5'],
    ['kernels', undefined, 'record.kernels must be a string, got undefined'],
    ['device', 'acme', 'record.device must be an object, got "acme"'],
    ['device.adapter.vendor', null, 'record.device.adapter.vendor must be a string, got null'],
    ['device.shaderFloat16', 1, 'record.device.shaderFloat16 must be true or false, got 1'],
    ['clock', 'sundial', 'record.clock must be gpu-timestamps or wall-clock, got "sundial"'],
    ['entries', {}, 'record.entries must be an array, got an object'],
    [
      'entries.0.dtype',
      'f32',
      'record.entries[0].dtype must be float32, float16 or bfloat16, got "f32"',
    ],
    ['entries.0.headDim', 0, 'record.entries[0].headDim must be a positive integer, got 0'],
    ['entries.0.masked', 'no', 'record.entries[0].masked must be true or false, got "no"'],
    [
      'entries.0.queryLengths.to',
      1.5,
      'record.entries[0].queryLengths.to must be a positive integer, got 1.5',
    ],
    ['entries.0.call', [], 'record.entries[0].call must be an object, got an object'],
    [
      'entries.0.forward.best.queries',
      '64u; }',
      'record.entries[0].forward.best.queries must be a positive integer, got "64u; }"',
    ],
    [
      'entries.0.forward.best.probabilitiesInChunks',
      'yes',
      'record.entries[0].forward.best.probabilitiesInChunks must be true or false, got "yes"',
    ],
    [
      'entries.0.backward.key.best.teams',
      '2u',
      'record.entries[0].backward.key.best.teams must be a positive integer, got "2u"',
    ],
    [
      'entries.0.forward.speedUp',
      -1,
      'record.entries[0].forward.speedUp must be a positive number, got -1',
    ],
    [
      'entries.0.forward.measured.0.milliseconds',
      '1',
      'record.entries[0].forward.measured[0].milliseconds must be a positive number, got "1"',
    ],
    [
      'entries.0.backward.query',
      undefined,
      'record.entries[0].backward.query must be an object, got undefined',
    ],
    [
      'entries.0.backward.key.skipped.0.reason',
      undefined,
      'record.entries[0].backward.key.skipped[0].reason must be a string, got undefined',
    ],
  ])('names the field %s', (path, value, message) => {
    const check = (): unknown => checkRecord('test', changed(path, value), 'record')
    expect(check).toThrow(TypeError)
    expect(check).toThrow(`test: ${message}`)
  })

  it('refuses what is no record at all', () => {
    for (const value of [undefined, null, 'attn', []]) {
      expect(() => checkRecord('test', value, 'record')).toThrow('test: record must be an object')
    }
  })
})

describe('lengthBucket', () => {
  it('holds every length in one bucket, by fours', () => {
    for (let length = 1; length < 20000; length++) {
      const { from, to = Infinity } = lengthBucket(length)
      expect(from <= length && length <= to).toBe(true)
    }
    expect(lengthBucket(1)).toEqual({ from: 1, to: 16 })
    expect(lengthBucket(4096)).toEqual({ from: 1025, to: 4096 })
    expect(lengthBucket(4097)).toEqual({ from: 4097 })
  })
})
