// The text of `attn train`: characters to tokens and back, and the batches of a step.
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawBatch } from '../src/lab/data/batches.ts'
import { encode, vocabularyOf } from '../src/lab/data/vocabulary.ts'
import { corpusOf, readCorpus } from '../src/train/text.ts'

const decode = (tokens: Uint16Array, vocabulary: readonly string[]): string =>
  Array.from(tokens, (token) => vocabulary[token]!).join('')

describe('tokens', () => {
  test('are places among the characters in the order of their codes', () => {
    const vocabulary = vocabularyOf('banana\n')
    expect(vocabulary).toEqual(['\n', 'a', 'b', 'n'])
    expect([...encode('nab', vocabulary)]).toEqual([3, 1, 2])
  })

  test('decode to the text they were made from', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const vocabulary = vocabularyOf(text)
        expect(decode(encode(text, vocabulary), vocabulary)).toBe(text)
      }),
    )
  })

  test('of unknown characters do not exist', () => {
    expect(() => encode('cab', ['a', 'b'])).toThrow(
      new RangeError('encode: the vocabulary has no "c"'),
    )
  })
})

describe('a corpus', () => {
  test('does not depend on how the system ends its lines', () => {
    const [unix, windows] = [corpusOf('unix', 'a\nb\n'), corpusOf('windows', 'a\r\nb\r\n')]
    expect(windows.tokens).toEqual(unix.tokens)
    expect(windows.digest).toBe(unix.digest)
    expect(corpusOf('other', 'a\nc\n').digest).not.toBe(unix.digest)
  })

  test('is found on this machine without naming a file', () => {
    const { name, tokens, vocabulary } = readCorpus()
    expect(name).toMatch(/^lib\.es5\.d\.ts of \S*typescript\S* \d+\.\d+\.\d+$/)
    expect(decode(tokens.subarray(0, 20_000), vocabulary)).toContain('declare function parseInt')
    expect(tokens.length).toBeGreaterThan(100_000)
  })

  test('is found without TypeScript, too', () => {
    const { name, tokens, vocabulary } = readCorpus(undefined, [tmpdir()])
    expect(name).toBe('index.d.ts of @jax-js/jax 0.1.25')
    expect(decode(tokens, vocabulary)).toContain('declare const vjp')
  })

  test('is any file that one names', () => {
    const { name, tokens, vocabulary } = readCorpus(fileURLToPath(import.meta.url))
    expect(name).toBe('train-text.test.ts')
    expect(decode(tokens, vocabulary)).toContain('is any file that one names')
  })
})

describe('a batch', () => {
  const tokens = Uint16Array.from({ length: 100 }, (_, place) => place)
  const options = { batch: 3, context: 8, seed: 5, step: 2 }

  test('is pieces of the text, and the same one token later', () => {
    const { inputs, targets } = drawBatch(tokens, options)
    expect(inputs).toHaveLength(24)
    for (let row = 0; row < 3; row++) {
      const first = inputs[8 * row]!
      expect([...inputs.subarray(8 * row, 8 * row + 8)]).toEqual([
        ...tokens.subarray(first, first + 8),
      ])
    }
    expect([...targets]).toEqual([...inputs].map((token) => token + 1))
  })

  test('depends on seed and step alone', () => {
    expect(drawBatch(tokens, options)).toEqual(drawBatch(tokens, options))
    const others = [
      drawBatch(tokens, { ...options, step: 3 }),
      drawBatch(tokens, { ...options, seed: 6 }),
    ]
    for (const other of others) expect(other).not.toEqual(drawBatch(tokens, options))
  })

  test('needs a text longer than a piece', () => {
    const exact = drawBatch(tokens, { ...options, context: 99 })
    expect(exact.targets.at(-1)).toBe(99)
    expect(() => drawBatch(tokens, { ...options, context: 100 })).toThrow(
      'attn train: the text must be longer than the context of 100, got 100',
    )
  })
})
