// A score modifier as text is the modifier, on the numbers that it names; a hostile one does nothing.
import { compile } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { parseScore } from '../src/rooms/mask/expression/parse-score.ts'
import { biasChoices } from '../src/rooms/mask/settings/biases.ts'

const sizes = { batch: 0, heads: 4, queryLength: 64, keyLength: 64 }
const at = (query: number, key: number, head = 0, score = 1.5) => ({
  ...sizes,
  query,
  queryIndex: query,
  key,
  head,
  score,
})

describe('a score modifier as a visitor writes it', () => {
  test.each<[string, Record<string, number>, (s: number, q: number, k: number) => number]>([
    ['s', {}, (s) => s],
    ['q - k', {}, (_, q, k) => q - k],
    ['s - slope * abs(q - k)', { slope: 0.25 }, (s, q, k) => s - 0.25 * Math.abs(q - k)],
    ['s - abs(q - k) / 8', {}, (s, q, k) => s - Math.abs(q - k) / 8],
    ['20 * tanh(s / 20)', {}, (s) => 20 * Math.tanh(s / 20)],
    ['k > q ? -inf : s', {}, (s, q, k) => (k > q ? -Infinity : s)],
    ['(q - k) % 2 == 0 ? s + 0.5 : -s', {}, (s, q, k) => ((q - k) % 2 === 0 ? s + 0.5 : -s)],
    ['s - log(1 + abs(q - k))', {}, (s, q, k) => s - Math.log(1 + Math.abs(q - k))],
    ['max(s, floor(s), -3) + min(2, 7)', {}, (s) => Math.max(s, Math.floor(s), -3) + 2],
    ['s * pow(0.5, abs(q - k)) + sin(0)', {}, (s, q, k) => s * 0.5 ** Math.abs(q - k)],
    ['+s - sqrt(exp(2 * 0.5)) * 0', {}, (s) => s],
  ])('%s', (text, values, expected) => {
    const modify = compile(parseScore(text).build(values).expression)
    for (const [query, key] of [
      [0, 0],
      [5, 3],
      [3, 9],
      [63, 0],
    ] as const) {
      for (const score of [-4.25, 0, 1.5]) {
        expect(modify(at(query, key, 0, score))).toBeCloseTo(expected(score, query, key), 12)
      }
    }
  })

  test('names that are no coordinates are numbers to be set', () => {
    expect(parseScore('s - a * abs(q - k) + b2 * h').numbers).toEqual(['a', 'b2'])
  })

  test.each(['alibi', 'softcap'])('the text of %s is the same modifier', (id) => {
    const choice = biasChoices.find((each) => each.id === id)!
    const values = Object.fromEntries(choice.fields.map(({ name, initial }) => [name, initial]))
    const shape = { ...sizes, batch: 1, kvHeads: 4, headDim: 8, valueDim: 8 }
    const [chosen] = choice.build(values, shape)
    const [a, b] = [chosen!, parseScore(choice.text!).build(values)].map(({ expression }) =>
      compile(expression),
    )
    for (let pair = 0; pair < 256; pair++) {
      const point = at(pair >> 4, pair & 15, pair % 4, pair / 8 - 16)
      expect(b!(point)).toBeCloseTo(a!(point), 12)
    }
  })
})

describe('a text that is no score is told what is wrong', () => {
  test.each([
    ['', /what becomes of a score/],
    ['s -', /Expected expression/],
    ['k <= q', /the score needs numbers, got a condition/],
    ['s % 2', /% needs whole numbers/],
    ['s && q', /&& needs conditions/],
    ['erf(s)', /got erf of 1/],
    ['s ** 2', /\*\* has no meaning|Unexpected|Expected/],
    ['s * "a"', /there are numbers/],
    [`s * ${'1'.repeat(1001)}`, /at most 1000 characters/],
  ])('%s', (text, message) => {
    expect(() => parseScore(text)).toThrow(SyntaxError)
    expect(() => parseScore(text)).toThrow(message)
  })
})

describe('a text that wants to do something', () => {
  test.each([
    'globalThis.alert(1)',
    'constructor.constructor("return 1")()',
    's["constructor"]',
    '(() => 1)()',
    'this.x',
    '[s].length',
    'alert(1)',
    's + __proto__',
    's = 1',
    '`${s}`',
    'toString(s)',
  ])('%s does nothing', (text) => {
    expect(() => parseScore(text)).toThrow(SyntaxError)
  })
})
